"""Closed loop on a world whose every step is known: positions are the sum of the actions."""

import jax
import jax.numpy as jnp
import numpy as np

from gyrax.planning.actions import ActionSpace
from gyrax.planning.cem import CEM
from gyrax.planning.controller import Controller, Planning, Stop
from gyrax.planning.imagination import AbstractImagination, Imagined, SimulatedImagination
from gyrax.planning.objective import Approach, Candidate, FeatureDistance, Goal, Objective

SNIPPETS = np.random.default_rng(0).uniform(-0.2, 0.2, (40, 11, 2))
REACHED = FeatureDistance((0, 1), jnp.ones(2))


class Sum(AbstractImagination):
    def point(self, features):
        return features

    def __call__(self, observed, actions):
        path = observed.frames[-1] + jnp.cumsum(actions, axis=1)
        return Imagined(path, path)


def controller(imagination, every=2, near=None, relative=False):
    bound = np.full(2, 0.2)
    space = ActionSpace.of(-bound, bound, SNIPPETS, horizon=8, knots=2, relative=relative)
    pool = space.knots_of(jnp.asarray(SNIPPETS[:, 1:]), jnp.asarray(SNIPPETS[:, 0]))
    planning = Planning(imagination, space, Objective((REACHED,), (1.0,)), CEM(48, 4), pool)
    stop = None if near is None else Stop(REACHED, near)
    return Controller(planning, context=1, past=2, every=every, stop=stop)


def closed_loop(controller, goals, frames):
    position, path = np.zeros_like(goals), []
    controller.reset(goals, np.zeros((len(goals), 1, 2)))
    for _ in range(frames):
        controller.observe(position)
        position = position + controller.act()
        path.append(position)
    return np.stack(path, axis=1)


def test_every_episode_goes_to_its_own_goal():
    goals = np.array([[1.0, 0.5], [-0.6, 0.9], [0.0, -1.0]], np.float32)
    control = controller(Sum())
    path = closed_loop(control, goals, 16)
    assert np.all(np.abs(path[:, -1] - goals) < 0.1)
    assert control.plans == 8


def test_the_simulator_through_the_same_interface_gives_the_same_plans():
    """The oracle's callback sees every episode's own number and actions."""

    def simulate(episodes, actions):
        start = np.asarray(positions)[np.asarray(episodes)]
        return (start[..., None, None, :] + np.cumsum(actions, axis=-2)).astype(np.float32)

    goals = np.array([[1.0, 0.5], [-0.6, 0.9]], np.float32)
    control = controller(SimulatedImagination(simulate, lambda x: x))
    positions = np.zeros_like(goals)
    control.reset(goals, np.zeros((2, 1, 2)))
    for _ in range(6):
        control.observe(positions)
        positions = positions + control.act()
    np.testing.assert_allclose(
        positions, closed_loop(controller(Sum()), goals, 6)[:, -1], atol=1e-5
    )


def test_it_stops_where_the_goal_is_seen_to_be_reached():
    goals = np.array([[0.05, 0.0], [1.0, 1.0]], np.float32)
    control = controller(Sum(), near=0.1, relative=True)
    control.reset(goals, np.full((2, 2, 2), 0.1))
    control.observe(np.zeros((2, 2)))
    actions = control.act()
    np.testing.assert_allclose(actions[0], 0.1)
    assert np.abs(actions[1] - 0.1).max() > 0


def test_a_plan_goes_on_where_it_was_left():
    """The second search starts from the rest of the first plan."""
    control = controller(Sum(), every=3)
    goals = np.array([[3.0, -3.0]], np.float32)
    closed_loop(control, goals, 3)
    rest = control.plan[:, 3:]
    control.observe(np.zeros((1, 2)))
    control.act()
    space = control.planning.space
    read = space.knots_of(jnp.asarray(rest), jnp.asarray(control.actions[:, -2]))
    np.testing.assert_allclose(control.mean, read, atol=1e-6)


def test_the_place_behind_a_body_is_seen_from_its_goal():
    """Least cost there; of two bodies the second counts once the first is at its goal."""
    goal = Goal(jnp.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]), jnp.zeros(1))
    term = Approach((0, 1, 2), ((3, 4, 5), (6, 7, 8)), 0.1, 0.03, jnp.asarray(1.0))

    def cost(effector, first, second):
        features = jnp.concatenate([jnp.asarray(x, float) for x in (effector, first, second)])
        imagined = Imagined(features[None], jnp.zeros((1, 1)))
        return term(Candidate(imagined, jnp.zeros((1, 1)), jnp.zeros(1)), goal)

    start, away = [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]
    np.testing.assert_allclose(cost([-0.1, 0.0, 0.0], start, away), 0.0, atol=2e-3)
    np.testing.assert_allclose(cost([0.3, 0.0, 0.0], start, away), 0.4, atol=2e-3)
    there = [1.0, 0.0, 0.0]
    np.testing.assert_allclose(cost([0.0, -0.1, 0.5], there, away), 0.0, atol=0.03)
    gradient = jax.grad(lambda x: cost(x, start, away).sum())(jnp.array([0.3, 0.0, 0.0]))
    np.testing.assert_allclose(gradient, [1.0, 0.0, 0.0], atol=2e-2)
