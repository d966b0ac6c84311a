"""Energy score against brute force and a Gaussian's known value; coverage of calibrated samples."""

import jax
import jax.numpy as jnp
import numpy as np

from gyrax.evaluation.sampling import LEVELS, central_rank, covered
from gyrax.geometry import distance, exp_map
from gyrax.losses.dynamics import energy_score, energy_scores

RANK = jax.jit(jax.vmap(lambda s, y: central_rank(s, y, 0.5)))


def on_ball(tangent, c=0.5):
    tangent = jnp.asarray(tangent)
    return exp_map(jnp.zeros_like(tangent), tangent, c)


def test_energy_score_is_the_double_sum(x64):
    rng = np.random.default_rng(0)
    samples, target = on_ball(rng.normal(size=(5, 3, 2))), on_ball(rng.normal(size=(3, 2)))
    for b in range(3):
        first = np.mean([distance(s, target[b], 0.5) for s in samples[:, b]])
        pairs = [
            distance(samples[i, b], samples[j, b], 0.5)
            for i in range(5)
            for j in range(5)
            if i != j
        ]
        found = energy_scores(samples, target, 0.5)[b]
        np.testing.assert_allclose(found, first - 0.5 * np.mean(pairs), rtol=1e-12)


def test_energy_score_of_a_gaussian(x64):
    """On a line through the origin distance is that of 2v: the CRPS of N(0, 2²) at 0 is known."""
    tangent = np.zeros((10, 2000, 2))
    tangent[..., 0] = np.random.default_rng(1).normal(size=(10, 2000))
    found = energy_scores(on_ball(tangent), jnp.zeros((2000, 2)), 0.5).mean()
    known = 2 * (2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(found, known, rtol=0.03)


def test_energy_score_is_masked(x64):
    samples = on_ball(np.random.default_rng(2).normal(size=(2, 1, 3, 2)))
    target = jnp.zeros((1, 3, 2))
    mask = jnp.asarray([[1.0, 1.0, 0.0]])
    want = energy_scores(samples[:, :, :2], target[:, :2], 0.5).mean()
    np.testing.assert_allclose(energy_score(samples, target, mask, 0.5), want)


def test_calibrated_samples_are_covered_as_often_as_nominal():
    """Also with few samples in many dimensions, where balls about their mean are too small."""
    rng = np.random.default_rng(3)
    samples, target = rng.normal(size=(3000, 16, 8)) / 3, rng.normal(size=(3000, 8)) / 3
    rank = np.asarray(RANK(on_ball(samples), on_ball(target)))
    for level in LEVELS:
        assert abs(covered(rank, level, 16).mean() - level) < 0.03, level
    narrow = np.asarray(RANK(on_ball(0.5 * samples), on_ball(target)))
    assert covered(narrow, 0.9, 16).mean() < 0.6
