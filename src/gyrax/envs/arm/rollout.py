"""What the arm would do under many sequences of actions, simulated in parallel from one state."""

import importlib
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from gyrax.envs.arm.columns import rounded
from gyrax.envs.arm.kinematics import LOWER, UPPER
from gyrax.envs.arm.world import STEPS_A_FRAME, ArmWorld, continued

_THREADS = 2


def rollout(
    world: ArmWorld, state: Float[np.ndarray, " S"], actions: Float[np.ndarray, "N H 6"]
) -> Float32[np.ndarray, "N H F"]:
    """The observations after each of H actions, for N sequences that start from `state`.

    The world itself stays as it is. Raises `ValueError` for a state of another world.
    """
    parallel: Any = importlib.import_module("mujoco.rollout")
    mujoco, model = world.mujoco, world.model
    count, horizon, _ = actions.shape
    physics, before = world.split(state)
    datas = [mujoco.MjData(model) for _ in range(_THREADS)]
    mujoco.mj_setState(model, datas[0], physics, world.kind)
    full = mujoco.mjtState.mjSTATE_FULLPHYSICS
    initial = np.empty(mujoco.mj_stateSize(model, full))
    mujoco.mj_getState(model, datas[0], initial, full)
    warm = np.tile(datas[0].qacc_warmstart, (count, 1))
    control = np.repeat(np.clip(actions, LOWER, UPPER), STEPS_A_FRAME, axis=1)
    with parallel.Rollout(nthread=_THREADS) as pool:
        states, _ = pool.rollout(
            model, datas, np.tile(initial, (count, 1)), control, initial_warmstart=warm
        )
    frames = states[:, STEPS_A_FRAME - 1 :: STEPS_A_FRAME]
    values = np.array([[_read(world, datas[0], s, full) for s in row] for row in frames])
    return rounded(continued(values.reshape(count, horizon, -1), before))


def _read(world: ArmWorld, data: Any, state: np.ndarray, kind: Any) -> np.ndarray:
    world.mujoco.mj_setState(world.model, data, state, kind)
    return world.read(data)
