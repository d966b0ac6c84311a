"""What the arm would do under many sequences of actions, simulated in parallel from one state."""

import importlib
import os
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from gyrax.envs.arm.columns import rounded
from gyrax.envs.arm.kinematics import LOWER, UPPER, tip_position, tip_quaternion
from gyrax.envs.arm.world import STEPS_A_FRAME, ArmWorld, continued


class ArmRollouts:
    """Simulates copies of a world in threads, which are kept from one call to the next."""

    def __init__(self, world: ArmWorld):
        """Starts as many threads as the machine has cores; what they find does not depend on it."""
        parallel: Any = importlib.import_module("mujoco.rollout")
        mujoco, model = world.mujoco, world.model
        threads = os.cpu_count() or 1
        self._world, self._pool = world, parallel.Rollout(nthread=threads)
        self._datas = [mujoco.MjData(model) for _ in range(threads)]
        self._kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
        self._size = mujoco.mj_stateSize(model, self._kind)
        self._first = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_TIME)

    def __call__(
        self, state: Float[np.ndarray, " S"], actions: Float[np.ndarray, "N H 6"]
    ) -> Float32[np.ndarray, "N H F"]:
        """The observations after each of H actions, for N sequences that start from `state`.

        The world itself stays as it is. Raises `ValueError` for a state of another world.
        """
        world, data = self._world, self._datas[0]
        physics, before = world.split(state)
        world.mujoco.mj_setState(world.model, data, physics, world.kind)
        initial = np.empty((1, self._size))
        world.mujoco.mj_getState(world.model, data, initial[0], self._kind)
        states, _ = self._pool.rollout(
            world.model,
            self._datas,
            np.tile(initial, (len(actions), 1)),
            np.repeat(np.clip(actions, LOWER, UPPER), STEPS_A_FRAME, axis=1),
            initial_warmstart=np.tile(data.qacc_warmstart, (len(actions), 1)),
        )
        frames = states[:, STEPS_A_FRAME - 1 :: STEPS_A_FRAME, self._first :]
        return rounded(continued(_read(frames, world.model.nq), before))


def _read(states: Float[np.ndarray, "N H S"], positions: int) -> Float[np.ndarray, "N H F"]:
    """The numbers of observations, out of MuJoCo's positions, as many as that, and velocities."""
    joints, cubes = states[..., :6], states[..., 6:positions]
    velocities = states[..., positions : positions + 6]
    tip = (tip_position(joints), tip_quaternion(joints))
    return np.concatenate([joints, velocities, *tip, cubes], axis=-1)
