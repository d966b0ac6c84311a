"""Scalars of an evaluation, on numbers small enough to count by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from gyrax.evaluation.diagnostics import rate_ratio, rollout_diagnostics
from gyrax.model import Trajectory


def test_the_rate_at_chart_changes_is_held_against_the_rate_elsewhere():
    chart = np.array([[0, 0, 1], [2, 1, 1]])
    rates = np.array([[9.0, 0.1, 0.6], [9.0, 0.4, 0.3]])  # the first frame's change is not known
    (ratio,) = rate_ratio(rates, chart).values()
    np.testing.assert_allclose(ratio, np.mean([0.6, 0.4]) / np.mean([0.1, 0.3]))


def test_without_changes_or_without_rest_there_is_no_ratio():
    assert rate_ratio(np.ones((1, 3)), np.array([[1, 1, 1]])) == {}
    assert rate_ratio(np.ones((1, 3)), np.array([[0, 1, 0]])) == {}


def testrollout_diagnostics_are_means_over_seeds():
    def rolled(rate, phi):
        """Two frames at rest, with rate `rate` at the second and a potential that rises to `phi`."""
        rest, logits = jnp.zeros((1, 3, 2)), jnp.eye(2)[jnp.array([[0, 0, 1]])]
        rates, jumped = jnp.array([[1.0, rate, 1.0]]), jnp.array([[False, rate > 4, False]])
        return Trajectory(
            rest,
            rest,
            logits,
            logits,
            rates,
            jumped,
            jnp.array([[0.0, 0.0, phi]]),
            jnp.zeros((1, 3)),
        )

    found = rollout_diagnostics([rolled(3.0, 1.0), rolled(5.0, 4.0)], np.array([[0, 1, 1]]))
    assert found == {
        "chart_accuracy": pytest.approx(2 / 3),
        "energy_drift": 2.5,
        "jump_rate": pytest.approx(2.0),
        "jump_rate_at_chart_changes_ratio": 4.0,
        "jumps_per_frame": pytest.approx(1 / 6),
    }
