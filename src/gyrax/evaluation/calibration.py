"""A temperature for a model that was trained without noise: the one at which its forecasts are covered."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from gyrax._errors import InputError
from gyrax.evaluation.baselines import WindowBatch
from gyrax.evaluation.uncertainty import covered, sample_forecasts
from gyrax.model.system import System
from gyrax.model.world_model import softplus_inverse

LEVEL = 0.9
WINDOWS = 256
COLDEST, HOTTEST = 1e-6, 1.0
HALVINGS = 8


def at_temperature(system: System, temperature: float) -> System:
    """`system` with its noise at a temperature T > 0; one compiled program serves every T."""
    parameter = softplus_inverse(jnp.asarray(temperature, float))
    model = replace(system.world_model, temperature_parameter=parameter)
    return eqx.tree_at(lambda s: s.world_model, system, model)


def coverage(system: System, batch: WindowBatch, samples: int, seed: int) -> float:
    """How often balls of nominal mass `LEVEL` hold the truth, over all steps of all windows."""
    drawn = sample_forecasts(system, batch, samples, seed=seed, shown=np.zeros(1, int))
    return float(covered(drawn.rank, LEVEL, samples).mean())


def calibrated(system: System, validation: WindowBatch, samples: int, *, seed: int) -> System:
    """`system` at the temperature whose 90 % balls hold the truth of 90 % of validation frames.

    Bisection on log T over `WINDOWS` windows at even intervals, under the same noise throughout; one
    number, for all steps and places. Raises `InputError` where no temperature does it, as without
    friction, which is what noise enters by.
    """
    rows = np.unique(np.linspace(0, len(validation) - 1, WINDOWS).astype(int))
    batch = validation.take(rows)
    low, high = np.log(COLDEST), np.log(HOTTEST)
    if coverage(at_temperature(system, HOTTEST), batch, samples, seed) < LEVEL:
        raise InputError(
            f"--samples {samples}: the model was trained without noise, and no temperature up to "
            f"{HOTTEST:g} lets its samples cover {LEVEL:.0%} of the validation frames (its friction is "
            f"{float(system.world_model.friction):g}); leave --samples out."
        )
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        enough = coverage(at_temperature(system, np.exp(middle)), batch, samples, seed) >= LEVEL
        low, high = (low, middle) if enough else (middle, high)
    return at_temperature(system, float(np.exp(high)))
