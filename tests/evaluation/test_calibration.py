"""The temperature that calibration finds is the one that data was made with."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.evaluation.baselines import WindowBatch
from gyrax.evaluation.calibration import at_temperature, calibrated
from gyrax.fields import Frozen
from gyrax.training.build import build_system
from gyrax.training.config import make_config
from tiny import TINY

COUNT, TRUE = 200, 0.004


@pytest.fixture(scope="module")
def noisy():
    """An untrained model, and windows that it made itself at the temperature `TRUE`."""
    config = make_config("default", TINY | dict(wm_use_boris=False, wm_use_jump=False, wm_servo=4))
    system = build_system(config, 8, key=jr.key(0))
    keys = jr.split(jr.key(1), 3)
    context = 0.2 * jr.normal(keys[0], (COUNT, 2, 3))
    weights = jnp.full((COUNT, 3), 1 / 3)
    actions = jr.normal(keys[1], (COUNT, config.horizon, config.action_width))
    made = eqx.filter_jit(at_temperature(system, TRUE).rollout)(
        context, weights, actions, jr.split(keys[2], COUNT)
    )
    arrays = (np.asarray(a) for a in (context, actions, made.positions))
    batch = WindowBatch(*arrays, config.curvature, np.asarray(weights), np.arange(COUNT) // 50)
    return system, batch


def test_finds_the_temperature(noisy):
    system, batch = noisy
    found = calibrated(system, batch, 20, seed=3).world_model.noise_temperature
    assert TRUE / 1.3 < float(found) < TRUE * 1.3
    assert system.world_model.noise_temperature == 0.0


def test_without_friction_no_temperature_helps(noisy):
    system, batch = noisy
    still = replace(system.world_model, friction_parameter=Frozen(jnp.zeros(())))
    with pytest.raises(InputError, match="friction is 0"):
        calibrated(replace(system, world_model=still), batch, 20, seed=3)
