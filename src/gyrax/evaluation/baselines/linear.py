"""Forecasts without a training loop: standing still, going straight on, and ridge regression."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey, Scalar
from gyrax.evaluation.baselines.tangent import distances, exp_origin, log_origin
from gyrax.geometry import exp_map, log_map
from gyrax.model.forecaster import AbstractForecaster
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window
from gyrax.nn.frozen import FROZEN, grouped

PENALTIES = tuple(10.0**k for k in range(-8, 4))


def persistence(window: Window) -> np.ndarray:
    """The last known point, at every horizon step."""
    return np.broadcast_to(window.context[:, -1:], window.target.shape)


@jax.jit
def _geodesics_on(before: Point, last: Point, steps: Float[Array, "H 1"], c: Scalar) -> Point:
    """The points `steps` as far beyond `last` as `before` lies before it, on the geodesic through both."""
    return exp_map(last, -steps * log_map(last, before, c), c)


def constant_velocity(window: Window, c: float) -> np.ndarray:
    """On along the geodesic through the two context points, at the same speed.

    From one context point no velocity is known: it is then persistence.
    """
    if window.context.shape[1] == 1:
        return persistence(window)
    before, last = (window.context[:, i, None] for i in (-2, -1))
    steps = np.arange(1, window.horizon + 1, dtype=last.dtype)[:, None]
    return np.asarray(_geodesics_on(before, last, steps, c))


class Ridge:
    """One ridge regression a horizon step: from log₀ of the context and the actions so far to log₀ of
    the point. The penalty of each step is the best of `PENALTIES` on the validation windows."""

    def __init__(self, train: Window, validation: Window, c: float):
        """Fit on training windows, choose penalties on validation windows."""
        self.c = c
        self.maps: list[np.ndarray] = []
        for step in range(train.horizon):
            x, y = self._inputs(train, step), self._tangent(train.target[:, step])
            gram, moment = x.T @ x, x.T @ y
            scale = np.diag(np.r_[np.ones(len(gram) - 1), 0.0]) * len(x)
            candidates = [np.linalg.solve(gram + p * scale + 1e-9 * np.eye(len(gram)), moment)
                          for p in PENALTIES]  # fmt: skip
            inputs = self._inputs(validation, step)
            errors = [self._error(validation, inputs @ m, step) for m in candidates]
            self.maps.append(candidates[int(np.argmin(errors))])

    def _tangent(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(log_origin(points, self.c), np.float64)

    def _inputs(self, window: Window, step: int) -> np.ndarray:
        count = len(window.mask)
        known = self._tangent(window.context).reshape(count, -1)
        actions = window.actions[:, : step + 1].reshape(count, -1)
        return np.concatenate([known, actions, np.ones((count, 1))], axis=1)

    def _point(self, window: Window, tangent: np.ndarray) -> np.ndarray:
        return np.asarray(exp_origin(tangent.astype(window.target.dtype), self.c))

    def _error(self, window: Window, tangent: np.ndarray, step: int) -> float:
        predicted = self._point(window, tangent)
        return float(np.mean(distances(predicted, window.target[:, step], self.c)))

    def __call__(self, window: Window) -> np.ndarray:
        """The forecast of every horizon step."""
        steps = [self._point(window, self._inputs(window, s) @ m) for s, m in enumerate(self.maps)]
        return np.stack(steps, axis=1)


class LinearForecaster(AbstractForecaster):
    """A fitted ridge as a forecaster of windows of at most as many frames as it has maps.

    **Fields:** `maps`, one a horizon step, with rows for all actions: those that come later are zero.
    """

    maps: Float[Array, "H inputs D"]
    c: float = eqx.field(static=True)

    @classmethod
    def of(cls, ridge: Ridge, actions: int) -> "LinearForecaster":
        """With the maps of a ridge for actions of that width."""
        horizon = len(ridge.maps)
        known = len(ridge.maps[0]) - 1 - actions
        maps = np.zeros((horizon, known + horizon * actions + 1, ridge.maps[0].shape[1]))
        for step, fitted in enumerate(ridge.maps):
            maps[step, : len(fitted) - 1], maps[step, -1] = fitted[:-1], fitted[-1]
        return cls(jnp.asarray(maps, jnp.float32), ridge.c)

    @property
    def is_stochastic(self) -> bool:
        """Never."""
        return False

    def groups(self) -> Any:
        """Nothing trains: it is fitted."""
        return grouped(self, FROZEN)

    def regressed(self, windows: Window) -> "LinearForecaster":
        """As it is."""
        return self

    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """The points of one window, of the horizon that the ridge was fitted for."""
        known = log_origin(window.context, self.c).ravel()
        x = jnp.concatenate([known, window.actions.ravel(), jnp.ones(1)])
        return Rollout(exp_origin(jnp.einsum("hid,i->hd", self.maps, x), self.c))
