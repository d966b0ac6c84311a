"""Bootstrap intervals where the law is known."""

import numpy as np

from gyrax.evaluation.intervals import Bootstrap


def test_interval_of_independent_episodes():
    """One window an episode: the interval is mean ± 1.96 standard errors."""
    values = np.random.default_rng(0).normal(size=(400, 1))
    found = Bootstrap(np.arange(400), resamples=8000).mean(values)
    error = 1.96 * values.std() / 20
    np.testing.assert_allclose(found.mean, values.mean(0))
    np.testing.assert_allclose(found.high - found.mean, error, rtol=0.06)
    np.testing.assert_allclose(found.mean - found.low, error, rtol=0.06)


def test_windows_of_one_episode_count_as_one():
    """Copying every window ten times within its episode says nothing new."""
    values = np.random.default_rng(1).normal(size=(60, 2))
    once = Bootstrap(np.arange(60)).mean(values)
    often = Bootstrap(np.repeat(np.arange(60), 10)).mean(np.repeat(values, 10, axis=0))
    np.testing.assert_allclose(often.low, once.low)
    np.testing.assert_allclose(often.high, once.high)


def test_difference_is_paired():
    """A constant gain under large common variation is known exactly."""
    common = np.random.default_rng(2).normal(size=(3, 50, 1)) * 100
    bootstrap = Bootstrap(np.arange(50) // 5)
    gain = bootstrap.difference(common - 1.0, common)
    np.testing.assert_allclose([gain.mean, gain.low, gain.high], -1.0)
    root = bootstrap.root_difference(4 * common**2, common**2)
    np.testing.assert_allclose(root.mean, np.sqrt((common**2).mean()))
    assert root.low > 0


def test_seeds_are_averaged():
    values = np.random.default_rng(3).normal(size=(4, 30, 2))
    bootstrap = Bootstrap(np.arange(30) // 3)
    np.testing.assert_allclose(bootstrap.mean(values).low, bootstrap.mean(values.mean(0)).low)
    total = bootstrap.total_mean(values)
    np.testing.assert_allclose(total.mean, values.mean())
    assert np.ndim(total.low) == 0 and total.low < total.mean < total.high
