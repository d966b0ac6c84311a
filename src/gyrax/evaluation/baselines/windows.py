"""Windows of latents: what every forecast is given, and what it is held against."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gyrax._types import Point, Scalar, Tangent
from gyrax.geometry import distance, exp_map, log_map

# Compiled as a whole: run operation by operation, each is a program of its own, a MiB in memory.
distances = jax.jit(distance)


@jax.jit
def exp_origin(tangent: Tangent, c: Scalar) -> Point:
    """exp₀ of tangent vectors at the origin."""
    return exp_map(jnp.zeros_like(tangent), tangent, c)


@jax.jit
def log_origin(points: Point, c: Scalar) -> Tangent:
    """log₀ of points."""
    return log_map(jnp.zeros_like(points), points, c)


@dataclass(frozen=True)
class WindowBatch:
    """Windows of latents on the ball of curvature −c.

    **Fields:** `context`, points `(M, context, D)`; `actions`, from the last of them on, `(M, H, A)`;
    `target`, the points `(M, H, D)` that follow; `c`; `weights`, chart weights `(M, K)` of the last
    context point; `episode`, `(M,)`, which episode each window is of.
    """

    context: np.ndarray
    actions: np.ndarray
    target: np.ndarray
    c: float
    weights: np.ndarray
    episode: np.ndarray

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> "WindowBatch":
        """Some of the windows."""
        per_window = ("context", "actions", "target", "weights", "episode")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_window})

    @property
    def horizon(self) -> int:
        """How many frames are predicted."""
        return self.target.shape[1]

    def errors(self, predicted: np.ndarray) -> Float[np.ndarray, "M H"]:
        """Geodesic distance of a forecast from the target."""
        return np.asarray(distances(predicted, self.target, self.c))

    def tangent(self, points: np.ndarray) -> np.ndarray:
        """log₀ of points, as float64."""
        return np.asarray(log_origin(points, self.c), np.float64)

    def with_foreign_actions(self, pool: "WindowBatch", seed: int = 0) -> "WindowBatch":
        """The same windows under the actions of windows of `pool` that are of other episodes.

        Raises `ValueError` where `pool` is all of one episode that windows here are of.
        """
        rng = np.random.default_rng(seed)
        donor = np.zeros(len(self), int)
        for episode in np.unique(self.episode):
            here = np.flatnonzero(self.episode == episode)
            others = np.flatnonzero(pool.episode != episode)
            if not len(others):
                raise ValueError(f"all windows of the pool are of episode {episode}.")
            donor[here] = rng.choice(others, len(here))
        return replace(self, actions=pool.actions[donor])
