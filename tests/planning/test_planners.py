"""Planners on costs whose least value is known."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax.planning.cem import CEM
from gyrax.planning.gradient import Gradient
from gyrax.planning.mppi import MPPI
from gyrax.planning.noise import coloured_noise

KNOTS, WIDTH = 4, 2
BEST = jnp.linspace(-1.5, 1.5, KNOTS * WIDTH).reshape(KNOTS, WIDTH)
PLANNERS = {
    "cem": CEM(64, 12),
    "icem": CEM(64, 12, kept=3, exponent=1.0),
    "mppi": MPPI(128, 12),
    "gradient": Gradient(4, 60),
}


def quadratic(knots, best=BEST):
    """Steeper along some knots than along others, and not a number far from the best plan."""
    steep = 1.0 + jnp.arange(KNOTS)[:, None]
    cost = jnp.sum(steep * (knots - best) ** 2, axis=(1, 2))
    return jnp.where(jnp.abs(knots[:, 0, 0] - best[0, 0]) > 2.5, jnp.nan, cost)


def search(planner, best, key):
    none = jnp.zeros((1, KNOTS, WIDTH))
    return planner(partial(quadratic, best=best), jnp.zeros((KNOTS, WIDTH)), none, key)


@pytest.mark.parametrize("name", PLANNERS)
def test_the_least_cost_is_found_for_many_episodes_at_once(name):
    planner, bests = PLANNERS[name], jnp.stack([BEST, -BEST, 0.5 * BEST])
    found = jax.jit(jax.vmap(partial(search, planner)))(bests, jr.split(jr.key(0), 3))
    start = jax.vmap(lambda best: quadratic(jnp.zeros((1, KNOTS, WIDTH)), best)[0])(bests)
    assert np.all(found.cost < 0.03 * start)
    costs = jax.vmap(lambda knots, best: quadratic(knots[None], best)[0])(found.knots, bests)
    np.testing.assert_allclose(costs, found.cost, rtol=1e-5)


@pytest.mark.parametrize("name", ["cem", "icem", "gradient"])
def test_a_proposal_that_is_best_is_taken(name):
    """A cost that is flat but at one plan cannot be found, only proposed."""
    cost = lambda knots: jnp.where(jnp.all(knots == BEST, axis=(1, 2)), -1.0, 0.0)
    found = PLANNERS[name](cost, jnp.zeros_like(BEST), BEST[None], jr.key(1))
    assert found.cost == -1.0
    np.testing.assert_array_equal(found.knots, BEST)


def test_going_on_as_before_is_a_candidate():
    cost = lambda knots: jnp.where(jnp.all(knots == BEST, axis=(1, 2)), -1.0, 0.0)
    found = CEM(8, 1)(cost, BEST, jnp.zeros((2, KNOTS, WIDTH)), jr.key(1))
    np.testing.assert_array_equal(found.knots, BEST)


@pytest.mark.parametrize("name", PLANNERS)
def test_where_no_plan_has_a_cost_the_plan_before_is_kept(name):
    """Until something has one, there is nothing better to do."""
    broken = lambda knots: jnp.full(len(knots), jnp.nan)
    found = PLANNERS[name](broken, BEST, jnp.zeros((2, KNOTS, WIDTH)), jr.key(1))
    np.testing.assert_array_equal(found.knots, BEST)


@pytest.mark.parametrize("knots", [1, 4, 5])
@pytest.mark.parametrize("exponent", [0.0, 2.0])
def test_noise_has_unit_variance_and_its_colour(knots, exponent):
    noise = np.asarray(coloured_noise(jr.key(0), (20000, knots, 2), exponent), np.float64)
    np.testing.assert_allclose(noise.var((0, 2)), 1.0, atol=0.05)
    power = np.mean(np.abs(np.fft.rfft(noise, axis=1)) ** 2, axis=(0, 2))
    if knots > 1:
        frequency = np.maximum(np.fft.rfftfreq(knots), np.fft.rfftfreq(knots)[1])
        np.testing.assert_allclose(
            power / power[0], (frequency / frequency[0]) ** -exponent, rtol=0.06
        )
