"""The columns of the arm's observations and actions: their order, their names, and their rounding."""

import numpy as np
from jaxtyping import Float, Float32

from gyrax.data.lerobot.proprioception import ACTION, ENVIRONMENT, STATE
from gyrax.data.lerobot.schema import Feature
from gyrax.envs.arm.kinematics import JOINTS

POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")
FIRST_CUBE = 19
"""Where among an observation's numbers the pose of the first cube begins."""

_ROUNDING = 2.0**20
"""Values are multiples of 1 / this, just below 1e-6: the low bits become zeros, which compress."""


def features(cubes: int = 1) -> dict[str, Feature]:
    """The columns of a data set with that many cubes."""
    positions = tuple(f"{joint}.pos" for joint in JOINTS)
    environment = [f"{joint}.vel" for joint in JOINTS]
    for body in ("gripper", "cube", *(f"cube{n}" for n in range(2, cubes + 1))):
        environment += [f"{body}_pose.{part}" for part in POSE]
    return {
        STATE: Feature("float32", (6,), positions),
        ENVIRONMENT: Feature("float32", (len(environment),), tuple(environment)),
        ACTION: Feature("float32", (6,), positions),
    }


def rounded(values: Float[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """The numbers as a data set holds them: float32, and to a millionth."""
    return (np.round(values * _ROUNDING) / _ROUNDING).astype(np.float32)
