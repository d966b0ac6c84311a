"""Finds the OpenGL by which a machine renders without a screen."""

import importlib
import os
from typing import Any

from gyrax._errors import InputError

_BACKENDS = ("egl", "osmesa", "glfw")


def offscreen_context(width: int, height: int) -> Any:
    """A current OpenGL context by MuJoCo's first back end that gives one, or the one that MUJOCO_GL names.

    Raises `InputError` where none does.
    """
    reasons = []
    for name in (os.environ["MUJOCO_GL"],) if os.environ.get("MUJOCO_GL") else _BACKENDS:
        try:
            context = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
            context.make_current()
        except Exception as error:  # each back end fails in its own way
            reasons.append(f"{name}: {str(error).splitlines()[0] if str(error) else type(error)}")
        else:
            os.environ["MUJOCO_GL"] = name  # Gymnasium's own renderer takes what does not work
            return context
    raise InputError(
        f"no OpenGL renders offscreen here ({'; '.join(reasons)[:300]}); install EGL (libegl1) or "
        "OSMesa (libosmesa6), or leave pictures out."
    )


def choose_backend() -> None:
    """Let Gymnasium render with a back end that works. Raises `InputError` where none does."""
    if not os.environ.get("MUJOCO_GL"):
        offscreen_context(16, 16).free()
