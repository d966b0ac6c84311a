"""Each named solver held to what it declares, on the same Brownian paths."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from problems import OPTIMISED, PALINDROMES, bumpy, slope, start, terms_of, tree_of, twisting_field

from gyrax import PresampledPath, solver_by_name, solver_names

FINE, PATHS = 1024, 500
STEPS = np.array([8, 16, 32, 64])


@functools.cache
def paths():
    """500 Brownian trees, each read at 1025 times."""
    read = lambda key: PresampledPath.from_path(tree_of(1.0, 0.5 / FINE, 2, key), 0.0, 1.0, FINE)
    several = jax.vmap(lambda key: read(key).values)
    return jax.jit(several, compiler_options=OPTIMISED)(jr.split(jr.key(3), PATHS))


@eqx.filter_jit(compiler_options=OPTIMISED)
def ends(solver, values, steps, friction):
    """z and p at t = 1 on each path; force, field, curvature and a time-dependent control all on."""

    def one(values):
        terms = terms_of(
            bumpy,
            c=0.7,
            friction=friction,
            temperature=0.3,
            path=PresampledPath(0.0, 1.0, values, checked=False),
            field=twisting_field,
            control=lambda t, z, args: jnp.stack([jnp.cos(5.0 * t), z[0] * t]),
        )

        def step(k, carry):
            y, state = carry
            y, _, _, state, _ = solver.step(
                terms, k / steps, (k + 1) / steps, y, None, state, False
            )
            return y, state

        y0 = start(2, c=0.7)
        carry = (y0, solver.init(terms, 0.0, 1.0 / steps, y0, None))
        y, _ = jax.lax.fori_loop(0, steps, step, carry)
        return jnp.concatenate([y.z, y.p])

    return jax.vmap(one)(values)


@functools.cache
def reference(friction):
    return ends(solver_by_name("heun"), paths(), np.int64(FINE), jnp.array(friction))


def errors(name, friction):
    truth = reference(friction)
    solve = lambda n: ends(solver_by_name(name), paths(), n, jnp.array(friction))
    return np.array([jnp.linalg.norm(solve(n) - truth, axis=1).mean() for n in STEPS])


@pytest.mark.parametrize("name", [n for n in solver_names() if n not in ("bab", "document")])
def test_strong_order_towards_the_paths_of_heun(name, x64):
    error = errors(name, 1.5)
    declared = solver_by_name(name).strong_order(None)
    assert declared - 0.2 < slope(1.0 / STEPS, error) < declared + 0.25
    assert error[-1] < 0.03


@pytest.mark.parametrize("word", PALINDROMES)
def test_palindromes_are_of_order_two_without_noise(word, x64):
    """With a force that depends on time, so that every stage must ask for it at its own time."""
    error = errors(word, 0.0)
    assert 1.85 < slope(1.0 / STEPS, error) < 2.25


def test_the_documents_solver_converges_to_something_else(x64):
    assert solver_by_name("document").strong_order(None) is None
    error = errors("document", 1.5)
    assert error[-1] > 0.2
    assert abs(slope(1.0 / STEPS, error)) < 0.1


def test_every_named_solver_is_held_to_a_promise_here():
    """A new name must be put to one of the tests above (the first takes all that declare an order)."""
    declared = {n for n in solver_names() if solver_by_name(n).strong_order(None) is not None}
    assert declared == set(solver_names()) - {"document"}
