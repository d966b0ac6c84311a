"""Makes a Gymnasium environment by its id; what can go wrong there is said in one line."""

import contextlib
import importlib
import importlib.util
import io
from typing import Any

from gyrax._errors import InputError

_FETCH = (
    "the Fetch environments of gymnasium-robotics 1.4 work with mujoco 3.3.7 and 3.5.0 and fail with "
    "3.17: pip install 'gyrax[robotics]' takes one that works"
)


def make_environment(id: str, args: dict[str, Any]) -> tuple[Any, int | None]:
    """The environment, without its time limit, and that limit in frames.

    Pictures are asked for where it offers them. Raises `InputError` for an unknown id, a missing package,
    or whatever the environment itself raises.
    """
    gymnasium = _import_gymnasium()
    spec = _spec(gymnasium, id)
    try:
        creator: Any = spec.entry_point
        if isinstance(creator, str):
            creator = gymnasium.envs.registration.load_env_creator(creator)
        modes = getattr(creator, "metadata", {}).get("render_modes", ())
        pictures = {"render_mode": "rgb_array"} if "rgb_array" in modes else {}
        options: dict[str, Any] = {"disable_env_checker": True, "max_episode_steps": -1}
        return gymnasium.make(spec, **options, **{**pictures, **args}), spec.max_episode_steps
    except InputError as error:
        raise InputError(f"{id}: {error}") from None
    except Exception as error:  # an environment may raise anything
        raise InputError(_failure(id, args, error)) from None


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _import_gymnasium() -> Any:
    try:
        import gymnasium
    except ImportError:
        raise InputError(
            "environments need the package gymnasium (1.0 or later), which is not installed; "
            "install it with: pip install 'gyrax[sim]'"
        ) from None
    importlib.import_module("gyrax.envs")  # registers the arm
    return gymnasium


def _spec(gymnasium: Any, id: str) -> Any:
    try:
        plain = _plain_id(id)
        try:
            return gymnasium.spec(plain)
        except gymnasium.error.Error:
            if not importlib.util.find_spec("gymnasium_robotics"):
                raise
            with contextlib.redirect_stderr(io.StringIO()):  # it warns of what is not asked for
                gymnasium.register_envs(importlib.import_module("gymnasium_robotics"))
            return gymnasium.spec(plain)
    except (gymnasium.error.Error, ImportError, ValueError) as error:
        robotics = importlib.util.find_spec("gymnasium_robotics") is None
        more = ", or install what has it (Fetch, mazes: pip install 'gyrax[robotics]')" * robotics
        raise InputError(
            f"there is no environment {id!r} ({first_line(error)}); give the id of a Gymnasium "
            f"environment, such as gyrax/ArmPush-v0 or Reacher-v5{more}."
        ) from None


def _plain_id(id: str) -> str:
    """The id without the module before a colon, which is imported, as `gymnasium.make` does."""
    module, colon, plain = id.partition(":")
    if colon:
        importlib.import_module(module)
    return plain if colon else id


def _failure(id: str, args: dict[str, Any], error: Exception) -> str:
    given = f" with {args}" if args else ""
    if isinstance(error, ImportError) or type(error).__name__ == "DependencyNotInstalled":
        remedy = "install the package that it misses (MuJoCo: pip install 'gyrax[sim]')"
    elif id.startswith("Fetch"):
        remedy = _FETCH
    else:
        remedy = "check its arguments, and its own documentation"
    return f"{id}: could not be made{given} ({first_line(error)}); {remedy}."
