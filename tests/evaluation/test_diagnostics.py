"""Scalars of an evaluation, on numbers small enough to count by hand."""

import numpy as np

from gyrax.evaluation.evaluate import _rate_ratio


def test_the_rate_at_chart_changes_is_held_against_the_rate_elsewhere():
    chart = np.array([[0, 0, 1], [2, 1, 1]])
    rates = np.array([[9.0, 0.1, 0.6], [9.0, 0.4, 0.3]])  # the first frame's change is not known
    (ratio,) = _rate_ratio(rates, chart).values()
    np.testing.assert_allclose(ratio, np.mean([0.6, 0.4]) / np.mean([0.1, 0.3]))


def test_without_changes_or_without_rest_there_is_no_ratio():
    assert _rate_ratio(np.ones((1, 3)), np.array([[1, 1, 1]])) == {}
    assert _rate_ratio(np.ones((1, 3)), np.array([[0, 1, 0]])) == {}
