"""What a data set shows: the range of its features, how usual an action is, and recorded actions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gyrax._types import AnyArray
from gyrax.data.moments import Moments
from gyrax.data.store import FrameStore, offsets_of

COMPONENTS = 12
POINTS = 4096
ITERATIONS = 25
RIDGE = 1e-2
"""Least variance of a component, in units of the data's."""
SNIPPETS, LENGTH = 512, 61
"""Recorded actions to start plans from, and frames of each: the one before it and a plan of up to 60."""
USUAL = 0.9
"""Of the data's actions, that count as usual altogether."""


class Support(eqx.Module):
    """A mixture of normal distributions over actions and their changes, fitted to training episodes.

    **Fields:** `mean` and `scale` of actions and changes; `means`, `roots` (R, with R Rᵀ the inverse
    covariance) and `constants` of the mixture's components; `limit`, which the negative log-likelihood of a
    share `USUAL` of the training frames that it was not fitted to keeps to; `snippets` of recorded actions
    and, each one's first entry, the action before; `lowest` and `highest` of the features. Snippets and
    features are in the units of the data.
    """

    mean: Float[AnyArray, " both"]
    scale: Float[AnyArray, " both"]
    means: Float[AnyArray, "M both"]
    roots: Float[AnyArray, "M both both"]
    constants: Float[AnyArray, " M"]
    limit: Float[AnyArray, ""]
    snippets: Float[AnyArray, "S length A"]
    lowest: Float[AnyArray, " F"]
    highest: Float[AnyArray, " F"]

    @classmethod
    def fit(cls, frames: FrameStore, episodes: Int[np.ndarray, " E"]) -> "Support":
        """Of these episodes; the same for the same data."""
        rng = np.random.default_rng(0)
        features, changes = Moments(len(frames.columns)), Moments(2 * len(frames.action_columns))
        every = [np.zeros((0, len(frames.action_columns)), np.float32)]
        for part in frames.parts(episodes):
            features.add(part.features)
            changes.add(np.concatenate(part.action_differences(2), axis=1))
            every.append(part.actions)
        actions, offsets = np.concatenate(every), offsets_of(frames.lengths[episodes])
        mean, scale = changes.mean, changes.std
        scale = np.where(scale > 1e-6 * (1.0 + np.abs(mean)), scale, np.inf)
        chosen = rng.permutation(len(actions))[: 2 * POINTS]
        before = np.where(np.isin(chosen, offsets[:-1]), chosen, chosen - 1)
        both = np.concatenate([actions[chosen], actions[chosen] - actions[before]], axis=1)
        points = (both.astype(np.float64) - mean) / scale
        half = max(len(points) // 2, 1)
        mixture = _expectation_maximisation(points[:half], rng)
        surprise = -np.logaddexp.reduce(_log_densities(points[half:], *mixture), axis=1)
        limit = np.quantile(surprise, USUAL) if len(surprise) else np.inf
        seen = _snippets(actions, offsets, rng), features.low, features.high
        arrays = (mean, scale, *mixture, limit, *seen)
        return cls(*(np.asarray(a, np.float32) for a in arrays))

    def surprise(
        self, actions: Float[Array, "H A"], present: Float[Array, " A"]
    ) -> Float[Array, " H"]:
        """By how much the negative log-likelihood of each frame's action exceeds `limit`; zero where it does
        not. `present`: the action before."""
        changes = jnp.diff(actions, axis=0, prepend=present[None])
        points = (jnp.concatenate([actions, changes], axis=1) - self.mean) / self.scale
        density = jax.nn.logsumexp(
            _log_densities(points, self.means, self.roots, self.constants), axis=1
        )
        return jax.nn.relu(-density - self.limit)


def _log_densities(
    x: Float[AnyArray, "N d"],
    means: Float[AnyArray, "M d"],
    roots: Float[AnyArray, "M d d"],
    constants: Float[AnyArray, " M"],
) -> Float[AnyArray, "N M"]:
    """The log of each component's weighted density at each point, less (d/2) log 2π."""
    away = (x[None] - means[:, None]) @ roots
    return (constants[:, None] - 0.5 * (away**2).sum(-1)).T


def _expectation_maximisation(
    x: Float[np.ndarray, "N d"], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, roots and constants of a mixture fitted to the points, started at some of them."""
    count, width = x.shape
    ridge = RIDGE * np.eye(width)
    means = x[rng.choice(count, min(COMPONENTS, count), replace=False)]
    covariances = np.tile(np.atleast_2d(np.cov(x.T, ddof=0)) + ridge, (len(means), 1, 1))
    shares = np.full(len(means), 1.0 / len(means))
    for _ in range(ITERATIONS):
        logs = _log_densities(x, means, *_parts(covariances, shares))
        belongs = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
        total = belongs.sum(0) + 1e-6
        shares, means = total / total.sum(), belongs.T @ x / total[:, None]
        away = x[None] - means[:, None]
        weighted = belongs.T[:, :, None] * away
        covariances = np.swapaxes(weighted, 1, 2) @ away / total[:, None, None] + ridge
    return means, *_parts(covariances, shares)


def _parts(covariances: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Roots of the inverses, and the log of shares and of the roots' determinants."""
    roots = np.linalg.cholesky(np.linalg.inv(covariances))
    diagonals = np.diagonal(roots, axis1=1, axis2=2)
    return roots, np.log(shares) + np.log(diagonals).sum(-1)


def _snippets(
    actions: Float[np.ndarray, "N A"],
    offsets: Int[np.ndarray, " borders"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "S length A"]:
    """Recorded actions from random frames on; past the end of an episode the last one is held."""
    chosen = rng.choice(len(actions), SNIPPETS)
    last = offsets[np.searchsorted(offsets, chosen, side="right")] - 1
    return actions[np.minimum(chosen[:, None] + np.arange(LENGTH), last[:, None])]
