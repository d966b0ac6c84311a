"""Knots to actions and back, within bounds and rates."""

import jax.numpy as jnp
import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.planning.actions import ActionSpace

LOW, HIGH = np.array([-1.0, -2.0]), np.array([1.0, 2.0])
SNIPPETS = np.cumsum(np.random.default_rng(0).normal(0, 0.05, (64, 31, 2)), axis=1)


def space(relative, snippets=SNIPPETS, rate=None, horizon=20, knots=4):
    return ActionSpace.of(
        LOW, HIGH, snippets, horizon=horizon, knots=knots, relative=relative, rate=rate
    )


def before(*actions):
    return jnp.asarray(actions, jnp.float32)


@pytest.mark.parametrize("relative", [True, False])
def test_a_plan_passes_through_the_knots_that_are_read_off_it(relative):
    plan = space(relative)
    knots = 0.5 * jnp.asarray(np.random.default_rng(1).normal(size=(4, 2)), jnp.float32)
    past = before([0.1, -0.2], [0.1, -0.2])
    actions = plan.actions(knots, past)
    assert actions.shape == (20, 2)
    np.testing.assert_allclose(plan.knots_of(actions, past[-1]), knots, atol=1e-5)


def test_a_target_is_left_with_its_speed_and_reached_at_rest():
    plan = space(True)
    past = before([0.0, 0.0], [0.02, -0.01])
    actions = np.asarray(plan.actions(jnp.ones((4, 2)), past))
    steps = np.diff(actions, axis=0, prepend=past[-1:])
    ahead = np.asarray(plan.actions(jnp.zeros((4, 2)), past))
    np.testing.assert_allclose(ahead[0] - past[1], past[1] - past[0], rtol=0.35)
    np.testing.assert_allclose(ahead[[4, 9, 14, 19]], np.tile(past[1], (4, 1)), atol=1e-6)
    assert np.abs(steps[-1]).max() < 0.25 * np.abs(steps).max()
    np.testing.assert_allclose(actions[-1] - past[-1], 4 * plan.scale, rtol=1e-4)


@pytest.mark.parametrize("relative", [True, False])
def test_bounds_and_rates_are_kept(relative):
    rate = np.array([0.05, 0.1])
    plan = space(relative, rate=rate)
    past = before([0.9, 1.0], [0.95, 1.1])
    actions = np.asarray(plan.actions(20.0 * jnp.ones((4, 2)), past))
    steps = np.diff(actions, axis=0, prepend=past[-1:])
    assert np.all(np.abs(steps) <= rate + 1e-6)
    assert np.all((actions >= LOW) & (actions <= HIGH))
    np.testing.assert_allclose(actions[-1], HIGH, rtol=1e-6)


@pytest.mark.parametrize("relative", [True, False])
def test_knots_of_the_data_are_of_size_one(relative):
    plan = space(relative)
    knots = np.asarray(plan.knots_of(jnp.asarray(SNIPPETS[:, 1:]), jnp.asarray(SNIPPETS[:, 0])))
    np.testing.assert_allclose(np.sqrt(np.mean(knots**2, axis=(0, 1))), 1.0, rtol=1e-4)


def test_an_actuator_that_never_moved_is_left_where_it_is():
    snippets = SNIPPETS * np.array([1.0, 0.0]) + np.array([0.0, 0.7])
    past = before([0.0, 0.7], [0.0, 0.7])
    for relative in (True, False):
        actions = space(relative, snippets).actions(3.0 * jnp.ones((4, 2)), past)
        np.testing.assert_allclose(actions[:, 1], 0.7, rtol=1e-5)


@pytest.mark.parametrize("shape", [dict(knots=5, horizon=4), dict(horizon=40)])
def test_plans_that_cannot_be_are_refused(shape):
    with pytest.raises(InputError, match=r"knots|longer"):
        space(True, **shape)
