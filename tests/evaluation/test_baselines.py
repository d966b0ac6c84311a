"""Baselines on windows whose best forecast is known."""

import jax.numpy as jnp
import numpy as np

from gyrax.evaluation.baselines import Ridge, WindowBatch, persistence
from gyrax.geometry import exp_map


def linear_windows(count, seed, c=0.7, noise=0.0):
    """Latents whose log₀ is a fixed linear function of two context frames and the actions so far."""
    rng = np.random.default_rng(seed)
    rules = np.random.default_rng(99)
    first, second = rules.normal(size=(2, 4, 3, 3)) / 6
    steer = rules.normal(size=(4, 2, 3)) / 6
    tangent = 0.4 * rng.normal(size=(count, 2, 3))
    actions = rng.normal(size=(count, 4, 2))
    target = np.stack(
        [
            tangent[:, 0] @ first[h]
            + tangent[:, 1] @ second[h]
            + np.einsum("bka,kad->bd", actions[:, : h + 1], steer[: h + 1])
            + 0.1
            for h in range(4)
        ],
        axis=1,
    ) + noise * rng.normal(size=(count, 4, 3))
    point = lambda v: np.asarray(exp_map(jnp.zeros(v.shape), jnp.asarray(v), c))
    return WindowBatch(point(tangent), actions, point(target), c)


def test_ridge_recovers_a_linear_law(x64):
    train, val, test = (linear_windows(300, seed) for seed in range(3))
    ridge = Ridge(train, val)
    assert test.errors(ridge(test)).max() < 0.05
    assert test.errors(persistence(test)).mean() > 0.5


def test_ridge_chooses_its_penalty_by_validation(x64):
    """From few noisy windows the smallest penalty is not the best one."""
    train, val, test = (linear_windows(n, s, noise=0.5) for n, s in ((16, 0), (200, 1), (200, 2)))
    chosen = test.errors(Ridge(train, val)(test)).mean()
    unpenalised = test.errors(Ridge(train, train)(test)).mean()
    assert chosen < 0.9 * unpenalised


def test_persistence_stands_still(x64):
    batch = linear_windows(5, 0)
    np.testing.assert_array_equal(persistence(batch)[:, 2], batch.context[:, -1])
