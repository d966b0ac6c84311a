"""Calibration finds the temperatures that data was made with."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.evaluation.calibration import LEVEL, calibrated, coverage
from gyrax.evaluation.encoded import Selection
from gyrax.evaluation.forecasts import forecast
from gyrax.evaluation.sampling import at_temperature
from gyrax.geometry import log_map
from gyrax.model import Window
from gyrax.nn import Coefficient
from gyrax.training.build import build_system
from gyrax.training.presets import make_settings
from tiny import TINY

COUNT, TRUE = 300, 0.05
"""T = TRUE × the squared distance of the regression's forecast from the model's."""


def off(window):
    """How far the regression is from the model, of a heavy tail."""
    return jnp.exp(jnp.asarray(window.actions)[:, 0, 0] - 1.5)


def linear_beside(system, gap):
    """A regression whose forecasts are `gap(window)` away from those of `system`."""

    def linear(window):
        points = jnp.asarray(forecast(system, window)[:, 0])
        away = gap(window)[:, None] * jnp.array([1.0, 0.0, 0.0])
        return np.asarray(log_map(jnp.zeros_like(points), points) + away)

    return linear


@pytest.fixture(scope="module")
def noisy():
    """An untrained model, and windows that it made itself, each at its own temperature."""
    changed = dict(wm_use_boris=False, wm_use_jump=False, wm_servo=4, wm_memory=3)
    config = make_settings("default", TINY | changed)
    system = build_system(config, 8, key=jr.key(0))
    keys = jr.split(jr.key(1), 3)
    context = 0.2 * jr.normal(keys[0], (COUNT, 2, 3))
    weights = jnp.full((COUNT, 3), 1 / 3)
    horizon = config.training.horizon
    actions = jr.normal(keys[1], (COUNT, horizon, config.data.action_width))
    none = jnp.zeros((COUNT, horizon, 3)), jnp.zeros((COUNT, horizon + 1), int)
    window = Window(context, weights, actions, *none, jnp.ones((COUNT, horizon)))
    heat = TRUE * off(window) ** 2

    @eqx.filter_jit
    def make(window, keys, heat):
        one = lambda window, key, T: at_temperature(system, T).rollout(window, key).points
        return jax.vmap(one)(window, keys, heat)

    made = make(window, jr.split(keys[2], COUNT), jnp.asarray(heat))
    window = jax.tree.map(np.asarray, replace(window, target=made))
    chosen = Selection(
        window,
        config.encoder.curvature,
        np.arange(COUNT) // 50,
        np.zeros((COUNT, horizon, 8)),
    )
    return system, chosen, np.asarray(heat)


def test_finds_the_factor(noisy):
    system, windows, _ = noisy
    found = calibrated(system, linear_beside(system, off), windows, 20, seed=3)
    assert TRUE / 1.3 < found < TRUE * 1.3
    assert system.world_model.temperature.is_zero


def test_windows_are_covered_alike_near_the_regression_and_far_from_it(noisy):
    """At their own temperatures; at one for all, those far from it are covered less."""
    system, windows, heat = noisy
    hot = heat > np.median(heat)
    share = lambda rows, T: coverage(system, windows.take(rows), T[rows], 20, 3)
    own = [share(np.flatnonzero(side), heat) for side in (hot, ~hot)]
    assert own == pytest.approx([LEVEL, LEVEL], abs=0.04)
    same = np.full(COUNT, calibrated_alike(system, windows))
    assert share(np.flatnonzero(~hot), same) > 0.95 > LEVEL > share(np.flatnonzero(hot), same)


def calibrated_alike(system, windows):
    """The one temperature at which 90 % balls hold 90 % of all windows, by trial."""
    trials = np.geomspace(1e-4, 1e-1, 7)
    reached = [coverage(system, windows, np.full(COUNT, T), 20, 3) for T in trials]
    return float(np.interp(LEVEL, reached, trials))


def test_without_friction_no_temperature_helps(noisy):
    system, windows, _ = noisy
    still = replace(system.world_model, friction=Coefficient.fixed(0.0))
    with pytest.raises(InputError, match="friction is 0"):
        calibrated(
            replace(system, world_model=still), linear_beside(system, off), windows, 20, seed=3
        )


def test_a_model_that_is_the_regression_has_no_noise_to_scale(noisy):
    system, windows, _ = noisy
    same = linear_beside(system, lambda window: jnp.zeros(len(window.mask)))
    with pytest.raises(InputError, match="leave --samples out"):
        calibrated(system, same, windows, 20, seed=3)
