"""The servo force before training: what least squares makes of the training windows."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax.geometry import log_map
from gyrax.model.system import System
from gyrax.model.world_model import WorldModel
from gyrax.nn import Frozen
from gyrax.training.phases import Data
from gyrax.training.step import encode_all

PENALTY = 1e-4
"""Of the validation episodes, those unlike the training ones ask for this much (1e-6: 2 % worse)."""
FRAMES = 3


def with_regressed_servo(system: System, data: Data) -> System:
    """`system` with the servo force of its world model regressed, unless that was done before."""
    servo = system.world_model.servo
    if servo is None or jnp.any(servo.start.value):
        return system
    z = encode_all(system, data.x)[0] if data.latents is None else data.latents[0]
    model = regress_servo(system.world_model, data, z)
    return eqx.tree_at(lambda s: s.world_model, system, model)


def regress_servo(model: WorldModel, data: Data, z: Float[Array, "N D"]) -> WorldModel:
    """`model` with its servo force regressed on the first three frames of all windows.

    With y = log₀ z, the second difference of y over three frames is regressed on what the force sees
    at the middle one, with a small ridge penalty and in float64. `z` are the points of all frames.
    """
    servo, time = model.servo, model.frame_time
    assert servo is not None
    context = data.index.shape[1] - data.mask.shape[1]
    rows = data.index[data.mask[:, FRAMES - 1 - context] > 0][:, :FRAMES]
    y = np.asarray(log_map(jnp.zeros_like(z), z, servo.c), np.float64)
    before, here, after = (y[np.asarray(rows[:, i])] for i in range(FRAMES))
    action = np.asarray(data.actions[rows[:, 1]], np.float64)
    x = np.concatenate([here, (here - before) / time, action, np.ones((len(rows), 1))], axis=1)
    penalty = PENALTY * len(x) * np.diag(np.r_[np.ones(x.shape[1] - 1), 0.0])
    second = (after - 2.0 * here + before) / time**2
    matrix = np.linalg.solve(x.T @ x + penalty, x.T @ second).T
    fitted = Frozen(jnp.asarray(matrix, servo.start.value.dtype))
    return eqx.tree_at(lambda m: m.servo.start, model, fitted)
