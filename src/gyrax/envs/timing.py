"""How many actions an environment takes a second of its own time."""

from typing import Any

import numpy as np

from gyrax.envs.snapshots import has_mujoco

_UNTIMED = 30
"""For an environment that keeps no time at all."""


def frames_a_second(env: Any) -> float:
    """By its time step, else by MuJoCo's clock over one action, else by the rate of its pictures."""
    step = getattr(env.unwrapped, "dt", None)
    if not isinstance(step, float | int) and has_mujoco(env):
        env.reset(seed=0)
        began = env.unwrapped.data.time
        env.step(np.clip(0.0, env.action_space.low, env.action_space.high))
        step = env.unwrapped.data.time - began
    if isinstance(step, float | int) and step > 0:
        return float(np.round(1.0 / step, 3))
    return float(env.metadata.get("render_fps", _UNTIMED))
