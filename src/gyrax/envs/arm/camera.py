"""Pictures of the arm, rendered offscreen with MuJoCo by whichever OpenGL the machine has."""

import contextlib
import weakref
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gyrax.envs.arm.world import ArmWorld
from gyrax.envs.opengl import offscreen_context

WIDTH, HEIGHT = 640, 480


class ArmCamera:
    """Sees the world from the side; `close()` frees it."""

    def __init__(self, world: ArmWorld):
        """Raises `InputError` where no OpenGL renders offscreen."""
        mujoco = self._mujoco = world.mujoco
        self._world, self._context = world, offscreen_context(WIDTH, HEIGHT)
        self._renderer = mujoco.MjrContext(world.model, mujoco.mjtFontScale.mjFONTSCALE_150)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._renderer)
        self._scene = mujoco.MjvScene(world.model, maxgeom=200)
        self._view, self._options = mujoco.MjvCamera(), mujoco.MjvOption()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = world.model.camera("side").id
        # Frees what the graphics card holds; also at exit, before OpenGL's modules are gone.
        self.close = weakref.finalize(self, _free, self._context, self._renderer)

    def picture(self) -> UInt8[np.ndarray, "480 640 3"]:
        """What the camera sees now."""
        mujoco, world = self._mujoco, self._world
        self._context.make_current()
        mujoco.mj_kinematics(world.model, world.data)
        mujoco.mj_camlight(world.model, world.data)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            world.model, world.data, self._options, None, self._view, everything, self._scene
        )
        area, picture = mujoco.MjrRect(0, 0, WIDTH, HEIGHT), np.empty((HEIGHT, WIDTH, 3), np.uint8)
        mujoco.mjr_render(area, self._scene, self._renderer)
        mujoco.mjr_readPixels(picture, None, area, self._renderer)
        return picture[::-1].copy()  # OpenGL counts rows from below


def _free(context: Any, renderer: Any) -> None:
    # As the process ends OpenGL may be gone before this, and what it held with it.
    with contextlib.suppress(Exception):
        context.make_current()
        renderer.free()
        context.free()
