"""Temperatures at which the samples of a model that was trained without noise cover the truth.

Each window's temperature is one fitted factor times the squared distance between two forecasts of its
first frame, the model's and that of a linear regression. Forecast errors have heavy tails over windows:
where the motion is not what a linear map says, as at a contact, the model has learned from few examples
and errs most (rank correlation 0.73 at frame 1 on the default data's validation episodes; the frames'
distance from the training data, their speed and their reconstruction error: 0.35 or less). One
temperature for all windows, fitted to episodes with unusual frames, is too high for the other windows.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.evaluation.baselines.tangent import log_origin
from gyrax.evaluation.encoded import Encoded, Selection
from gyrax.evaluation.forecasts import rollouts
from gyrax.evaluation.sampling import covered, sample_forecasts
from gyrax.model.system import System
from gyrax.model.window import Window

Linear = Callable[[Window], Float[np.ndarray, "M D"]]
"""Forecasts of the first frame, as tangents at the origin."""
PENALTY = 1e-4

LEVEL = 0.9
WINDOWS = 256
COLDEST, HOTTEST = 1e-6, 1.0
HALVINGS = 8


def regression_of(encoded: Encoded) -> Linear:
    """The regression of the acceleration y₁ − y₀ − v on (y₀, v, action, 1), over the training episodes, with
    y = log₀ z, v the last known change of y (zero where one frame is known), and a small ridge penalty."""
    train = encoded.windows("train", 1)
    assert train is not None, "a model was trained on such windows"
    tangent = lambda points: np.asarray(log_origin(points, train.c), np.float64)

    def known(window: Window) -> tuple[np.ndarray, np.ndarray]:
        y = tangent(window.context)
        v = y[:, -1] - y[:, max(0, y.shape[1] - 2)]
        parts = y[:, -1], v, np.asarray(window.actions)[:, 0], np.ones((len(y), 1))
        return y[:, -1] + v, np.concatenate(parts, axis=1)

    ahead, x = known(train.window)
    penalty = PENALTY * len(x) * np.eye(x.shape[1])
    matrix = np.linalg.solve(x.T @ x + penalty, x.T @ (tangent(train.window.target[:, 0]) - ahead))

    def linear(window: Window) -> np.ndarray:
        ahead, x = known(window)
        return ahead + x @ matrix

    return linear


def beyond_linear(system: System, linear: Linear, windows: Selection) -> Float[np.ndarray, " M"]:
    """Squared distance of the model's forecast of the first frame from the regression's, as tangents."""
    points = rollouts(system, windows.window).points[:, 0]
    forecast = np.asarray(log_origin(points, windows.c), np.float64)
    return np.sum((forecast - linear(windows.window)) ** 2, axis=-1)


def coverage(
    system: System, windows: Selection, temperature: np.ndarray, samples: int, seed: int
) -> float:
    """How often balls of nominal mass `LEVEL` hold the truth, over all steps of all windows."""
    drawn = sample_forecasts(
        system, windows, samples, seed=seed, shown=np.zeros(1, int), temperature=temperature
    )
    return float(covered(drawn.rank, LEVEL, samples).mean())


def calibrated(
    system: System, linear: Linear, validation: Selection, samples: int, *, seed: int
) -> float:
    """The factor f for which T = f × [`beyond_linear`][] makes 90 % balls hold 90 % of validation frames.

    Bisection on log f over `WINDOWS` windows at even intervals, under the same noise throughout.
    Raises `InputError` where no temperature does it, as without friction, which is what noise enters
    by, or where the model forecasts what the regression does.
    """
    rows = np.unique(np.linspace(0, len(validation) - 1, WINDOWS).astype(int))
    windows = validation.take(rows)
    shape = beyond_linear(system, linear, windows)
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
