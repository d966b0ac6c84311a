"""Temperatures at which the samples of a model that was trained without noise cover the truth.

Each window's temperature is the reconstruction error of its last known frame times one fitted factor.
Forecast errors have heavy tails over windows and follow that reconstruction error (rank correlation
0.78 on the default data's validation episodes). One temperature for all windows, fitted to episodes
with unusual frames, is too high for the other windows.
"""

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.evaluation.encoded import Selection
from gyrax.evaluation.forecasts import decode
from gyrax.evaluation.sampling import covered, sample_forecasts
from gyrax.model.system import System

LEVEL = 0.9
WINDOWS = 256
COLDEST, HOTTEST = 1e-6, 1.0
HALVINGS = 8


def unexplained(system: System, windows: Selection) -> Float[np.ndarray, " M"]:
    """Mean squared error of the last known frame's features, decoded from its point alone."""
    known = windows.window.context[:, -1]
    return np.mean((decode(system, known) - windows.seen) ** 2, axis=-1)


def coverage(
    system: System, windows: Selection, temperature: np.ndarray, samples: int, seed: int
) -> float:
    """How often balls of nominal mass `LEVEL` hold the truth, over all steps of all windows."""
    drawn = sample_forecasts(
        system, windows, samples, seed=seed, shown=np.zeros(1, int), temperature=temperature
    )
    return float(covered(drawn.rank, LEVEL, samples).mean())


def calibrated(system: System, validation: Selection, samples: int, *, seed: int) -> float:
    """The factor f for which T = f × [`unexplained`][] makes 90 % balls hold 90 % of validation frames.

    Bisection on log f over `WINDOWS` windows at even intervals, under the same noise throughout.
    Raises `InputError` where no temperature does it, as without friction, which is what noise enters
    by, or where the encoder explains every frame exactly.
    """
    rows = np.unique(np.linspace(0, len(validation) - 1, WINDOWS).astype(int))
    windows = validation.take(rows)
    shape = unexplained(system, windows)
    middle_one = np.median(shape)
    reached = lambda typical: coverage(system, windows, typical * shape / middle_one, samples, seed)
    if not middle_one > 0 or reached(HOTTEST) < LEVEL:
        raise InputError(
            f"--samples {samples}: the model was trained without noise, and no temperature up to "
            f"{HOTTEST:g} lets its samples cover {LEVEL:.0%} of the validation frames (its friction is "
            f"{float(system.world_model.friction.value):g}); leave --samples out."
        )
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(np.exp(middle)) >= LEVEL else (middle, high)
    return float(np.exp(high) / middle_one)
