"""How usual actions are: the mixture beside SciPy's density, and what it says of data and of other things."""

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from gyrax.data.store import Frames
from gyrax.planning.assignment import completed
from gyrax.training.support import LENGTH, USUAL, Support


def frames(episodes=8, length=120):
    """Two kinds of motion: slow circles and fast ones, the last action column constant."""
    rng, parts = np.random.default_rng(0), []
    for number in range(episodes):
        t = np.arange(length) * (0.05 if number % 2 else 0.3) + rng.uniform(0, 6)
        parts.append(np.stack([np.sin(t), np.cos(t), np.full(length, 0.5)], axis=1))
    actions = np.concatenate(parts).astype(np.float32)
    offsets = np.arange(episodes + 1) * length
    return Frames(actions[:, :2], actions, offsets, ("x", "y"), ("a", "b", "c"), "circles")


def test_surprise_is_the_negative_log_density_above_the_limit():
    data = frames()
    support = Support.fit(data, np.arange(8))
    rng = np.random.default_rng(1)
    actions = rng.normal(size=(30, 3)).astype(np.float32)
    found = support.surprise(jnp.asarray(actions), jnp.zeros(3))
    changes = np.diff(actions, axis=0, prepend=0.0)
    points = (np.concatenate([actions, changes], axis=1) - support.mean) / support.scale
    width = points.shape[1]
    logs = []
    for mean, root, constant in zip(support.means, support.roots, support.constants, strict=True):
        covariance = np.linalg.inv(np.float64(root) @ np.float64(root).T)
        share = constant + 0.5 * np.linalg.slogdet(covariance)[1]
        logs.append(share + multivariate_normal(mean, covariance).logpdf(points))
    # The fitted density leaves out what is the same for all points.
    expected = -logsumexp(logs, axis=0) - 0.5 * width * np.log(2 * np.pi)
    np.testing.assert_allclose(found, np.maximum(expected - support.limit, 0), rtol=2e-3, atol=2e-3)
    shares = [
        c - np.log(np.diagonal(r)).sum()
        for c, r in zip(support.constants, support.roots, strict=True)
    ]
    np.testing.assert_allclose(np.exp(shares).sum(), 1.0, rtol=1e-3)


def test_data_is_usual_and_other_motions_are_not():
    data = frames()
    support = Support.fit(data, np.arange(8))
    circle = lambda speed, size: (
        size
        * np.stack(
            [np.sin(speed * np.arange(60)), np.cos(speed * np.arange(60)), np.full(60, 0.5)], axis=1
        )
    )
    mean = lambda path: float(np.mean(support.surprise(*map(jnp.asarray, (path[1:], path[0])))))
    usual = [mean(circle(speed, 1.0)) for speed in (0.05, 0.3)]
    assert max(usual) < 0.5
    # Between the two speeds there is no data, although each action alone is usual.
    assert mean(circle(0.15, 1.0)) > 5 * max(usual) + 0.5
    assert mean(circle(0.3, 2.0)) > 5 * max(usual) + 0.5


def test_the_limit_is_the_quantile_of_frames_that_were_not_fitted():
    data = frames(40)
    support = Support.fit(data, np.arange(0, 40, 2))
    surprising = []
    for episode in range(1, 40, 2):
        path = data.actions[data.offsets[episode] : data.offsets[episode + 1]]
        surprising.append(
            np.asarray(support.surprise(jnp.asarray(path[1:]), jnp.asarray(path[0]))) > 0
        )
    # Episodes of the other kind: nothing of it was seen.
    assert np.mean(surprising) > 0.9
    path = data.actions[data.offsets[2] : data.offsets[3]]
    own = np.asarray(support.surprise(jnp.asarray(path[1:]), jnp.asarray(path[0]))) > 0
    assert own.mean() < 3 * (1 - USUAL)


def test_snippets_are_recorded_and_keep_to_their_episodes():
    data = frames(3, 40)
    support = Support.fit(data, np.array([0, 2]))
    assert support.snippets.shape == (512, LENGTH, 3)
    rows = {tuple(row) for e in (0, 2) for row in data.actions[40 * e : 40 * e + 40]}
    assert all(tuple(row) in rows for row in support.snippets.reshape(-1, 3))
    steps = np.abs(np.diff(support.snippets, axis=1)).max()
    assert steps <= np.abs(np.diff(data.actions[:40], axis=0)).max() + 1e-6
    assert np.all(support.lowest <= data.features[:40].min(0))


def test_a_goal_in_some_columns_is_completed_by_frames_like_it():
    """The place in both of its columns, at rest between those that pass there, and exactly where asked."""
    rng = np.random.default_rng(0)
    place = rng.uniform(-5, 5, (4000, 2))
    frames = np.concatenate([place, rng.normal(size=(4000, 2)), place], axis=1).astype(np.float32)
    goal = completed(np.array([1.0, -2.0]), (4, 5), frames)
    np.testing.assert_array_equal(goal[4:], np.float32([1.0, -2.0]))
    np.testing.assert_allclose(goal[:2], [1.0, -2.0], atol=0.3)
    assert np.abs(goal[2:4]).max() < 1.0
