"""Baselines on windows whose best forecast is known."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax.evaluation.baselines import Network, Ridge, constant_velocity, persistence
from gyrax.evaluation.encoded import Selection
from gyrax.geometry import distance, exp_map
from gyrax.model import Window
from gyrax.model.forecaster import WORLD_MODEL
from gyrax.nn.frozen import group_size


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
    chart, mask = np.zeros((count, 5), int), np.ones((count, 4))
    window = Window(point(tangent), np.ones((count, 1)), actions, point(target), chart, mask)
    return Selection(window, c, np.arange(count) // 5, np.zeros((count, 4, 1)))


def test_ridge_recovers_a_linear_law(x64):
    train, val, test = (linear_windows(300, seed) for seed in range(3))
    ridge = Ridge(train.window, val.window, train.c)
    assert test.errors(ridge(test.window)).max() < 0.05
    assert test.errors(persistence(test.window)).mean() > 0.5


def test_ridge_chooses_its_penalty_by_validation(x64):
    """From few noisy windows the smallest penalty is not the best one."""
    train, val, test = (linear_windows(n, s, noise=0.5) for n, s in ((16, 0), (200, 1), (200, 2)))
    chosen = test.errors(Ridge(train.window, val.window, test.c)(test.window)).mean()
    unpenalised = test.errors(Ridge(train.window, train.window, test.c)(test.window)).mean()
    assert chosen < 0.9 * unpenalised


def test_persistence_stands_still(x64):
    batch = linear_windows(5, 0)
    np.testing.assert_array_equal(persistence(batch.window)[:, 2], batch.window.context[:, -1])


def test_constant_velocity_goes_on_along_the_geodesic(x64):
    """Equal steps, each of the length of the known one, on the geodesic through the known points."""
    batch = linear_windows(20, 0)
    before, last = jnp.asarray(batch.window.context[:, 0]), jnp.asarray(batch.window.context[:, 1])
    predicted = jnp.asarray(constant_velocity(batch.window, batch.c))
    length = distance(before, last, batch.c)
    for h in range(4):
        np.testing.assert_allclose(distance(last, predicted[:, h], batch.c), (h + 1) * length)
        np.testing.assert_allclose(distance(before, predicted[:, h], batch.c), (h + 2) * length)


def test_foreign_actions_are_of_other_episodes():
    batch = linear_windows(40, 0)
    foreign = batch.with_foreign_actions(batch)
    owner = {a.tobytes(): e for a, e in zip(batch.window.actions, batch.episode, strict=True)}
    assert all(owner[a.tobytes()] != e for a, e in zip(foreign.actions, batch.episode, strict=True))
    np.testing.assert_array_equal(foreign.context, batch.window.context)


@pytest.mark.parametrize("target", [700, 2900, 41_003, 498_000])
@pytest.mark.parametrize("remembers", [False, True])
def test_networks_are_of_the_size_asked_for(target, remembers):
    network = Network.of_size(target, 5, 3, remembers=remembers, c=1.0)(jr.key(0))
    assert abs(group_size(network, network.groups(), WORLD_MODEL) / target - 1) < 0.05
    assert (network.cell is not None) is remembers


def straight_windows(count, c=0.7):
    """Points whose log₀ has a second difference that is linear in v, its change and the action."""
    rng, rule = np.random.default_rng(0), np.random.default_rng(98).normal(size=(9, 3)) / 20
    actions = rng.normal(size=(count, 4, 2))
    before, v = 0.2 * rng.normal(size=(2, count, 3))
    frames = [before, v]
    for h in range(4):
        rate = v - before
        x = np.concatenate([v, rate, actions[:, h], np.ones((count, 1))], axis=1)
        before, v = v, v + rate + x @ rule
        frames.append(v)
    points = np.asarray(exp_map(jnp.zeros((count, 6, 3)), jnp.asarray(np.stack(frames, 1)), c))
    none = np.ones((count, 1)), np.zeros((count, 5), int), np.ones((count, 4))
    return Window(points[:, :2], none[0], actions, points[:, 2:], *none[1:]), rule


def in_coordinates(network):
    """Its least squares, back from its unit: of v and its change it is the same."""
    return network.start.value / np.r_[np.ones(6), np.full(3, 1 / network.unit.value)]


def silent(layer):
    return jax.tree.map(jnp.zeros_like, layer)


@pytest.mark.parametrize("remembers", [False, True])
def test_networks_start_at_the_least_squares_of_a_linear_law(x64, remembers):
    """Padded windows, which say nothing of it, are left out; but for the small network it is all."""
    window, rule = straight_windows(400)
    network = Network.of_size(3000, 3, 2, remembers=remembers, c=0.7)(jr.key(0))
    mask, target = np.array(window.mask), np.array(window.target)
    mask[:50, 0], target[:50, 0] = 0.0, 0.0
    begun = network.regressed(replace(window, mask=mask, target=target))
    np.testing.assert_allclose(in_coordinates(begun), rule.T, atol=2e-3)
    straight = eqx.tree_at(lambda n: n.layers[-1], begun, replace_fn=silent)
    points = jax.jit(jax.vmap(straight.forecast))(window)
    np.testing.assert_allclose(points, window.target, atol=0.01)
    assert np.abs(persistence(window) - window.target).max() > 0.3


def test_least_squares_from_one_known_point_is_of_the_same_frames(x64):
    """The frame in the middle is then the first one forecast, and the action there the second one."""
    window, rule = straight_windows(400)
    points, before = np.concatenate([window.context, window.target], axis=1), np.zeros((400, 1, 2))
    actions = np.concatenate([before, window.actions], axis=1)[:, :4]
    later = replace(window, context=points[:, :1], target=points[:, 1:5], actions=actions)
    begun = Network.of_size(3000, 3, 2, remembers=False, c=0.7)(jr.key(0)).regressed(later)
    np.testing.assert_allclose(in_coordinates(begun), rule.T, atol=2e-3)


def test_a_network_tells_the_order_of_actions_apart_by_its_memory():
    """Beside the actions of one frame, those before it count, through v alone or through memory too."""
    window, _ = straight_windows(1)
    network = Network.of_size(3000, 3, 2, remembers=True, c=0.7)(jr.key(0))
    louder = eqx.tree_at(lambda n: n.layers[-1].weight, network, replace_fn=lambda w: 100 * w)
    deaf = eqx.tree_at(lambda n: n.cell, louder, replace_fn=silent)
    roll = jax.jit(lambda n: jax.vmap(n.forecast)(window))
    assert np.abs(roll(louder) - roll(deaf))[:, 1:].max() > 1e-3
