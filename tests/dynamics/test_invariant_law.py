"""The law that the solvers sample, against exp(−H/T) by quadrature.

Φ = d(0, z)²/2 at T = 0.3: the density of r = d(0, z) is ∝ exp(−r²/2T) sinh(√c r)^{D−1}.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from problems import OPTIMISED, harmonic, slope, terms_of, twisting_field
from scipy import integrate, stats

from gyrax import (
    DocumentBAOAB,
    GeodesicSplitting,
    PhaseState,
    PresampledPath,
    geometry,
    kinetic_energy,
)

T, CHAINS = 0.3, 4000


@eqx.filter_jit(compiler_options=OPTIMISED)
def sample(solver, dim, h, steps, burn, key, c=1.0, field=None, dtype="float64"):
    """Means of d² and of 2K/D over 4000 chains after `burn` steps, and the chains' last states."""

    def terms(path):
        options = dict(friction=1.0, temperature=T, path=path, field=field, checked=False)
        return terms_of(harmonic, c=c, **options)

    def step(y, state, noise):
        path = PresampledPath.from_increments(0.0, h, noise, checked=False)
        y, _, _, state, _ = solver.step(terms(path), 0.0, h, y, None, state, False)
        return y, state

    def body(k, carry):
        y, state, total = carry
        noise = jr.normal(jr.fold_in(key, k), (CHAINS, 1, dim), jnp.float32).astype(dtype)
        y, state = jax.vmap(step)(y, state, noise * jnp.sqrt(h).astype(dtype))
        square = geometry.distance(jnp.zeros_like(y.z), y.z, c) ** 2
        seen = jnp.stack([square.mean(), 2.0 * kinetic_energy(y.z, y.p, c).mean() / dim])
        return y, state, total + jnp.where(k < burn, 0.0, seen)

    zeros = jnp.zeros((CHAINS, dim), dtype)
    y0 = PhaseState(zeros, zeros)
    init = lambda y: solver.init(terms(still(dim, dtype)), 0.0, h, y, None)
    carry = (y0, jax.vmap(init)(y0), jnp.zeros(2, dtype))
    y, _, total = jax.lax.fori_loop(0, burn + steps, body, carry)
    return total / steps, y


def still(dim, dtype):
    return PresampledPath.from_increments(0.0, 1.0, jnp.zeros((1, dim), dtype), checked=False)


def radial(dim, c=1.0):
    """E[r²] and the distribution function of r."""
    weight = lambda r: np.exp(-r * r / (2 * T)) * np.sinh(np.sqrt(c) * r) ** (dim - 1)
    grid = np.linspace(0.0, 12.0, 20_001)
    mass = integrate.cumulative_simpson(weight(grid), x=grid, initial=0.0)
    second = integrate.simpson(grid**2 * weight(grid), x=grid) / mass[-1]
    return second, lambda r: np.interp(r, grid, mass / mass[-1])


def radii(y, c=1.0):
    return np.asarray(geometry.distance(jnp.zeros_like(y.z), y.z, c))


def test_the_exact_value_is_the_documented_one():
    assert radial(2)[0] == pytest.approx(0.6612, abs=1e-4)


@pytest.mark.parametrize(
    ("dim", "c", "field"), [(2, 1.0, None), (3, 0.5, twisting_field), (5, 1.0, None)]
)
def test_baoab_samples_the_gibbs_law(dim, c, field, x64):
    """With a magnetic field too, which must leave the law as it is."""
    second, cdf = radial(dim, c)
    (square, _), y = sample(
        GeodesicSplitting(), dim, jnp.array(0.2), 1500, 75, jr.key(dim), c, field
    )
    assert square == pytest.approx(second, rel=0.01)
    assert stats.kstest(radii(y, c), cdf).pvalue > 0.01


def test_momenta_are_gaussian_at_the_temperature(x64):
    (_, kinetic), y = sample(GeodesicSplitting(), 2, jnp.array(0.05), 1200, 300, jr.key(7))
    assert kinetic == pytest.approx(T, rel=0.01)
    speeds = np.asarray(y.p / geometry.conformal_factor(y.z)[:, None]) / T**0.5
    assert stats.kstest(speeds.ravel(), "norm").pvalue > 0.01


def test_the_law_in_float32():
    (square, _), y = sample(
        GeodesicSplitting(), 2, jnp.array(0.2), 1500, 75, jr.key(2), dtype="float32"
    )
    assert y.z.dtype == jnp.float32
    assert square == pytest.approx(radial(2)[0], rel=0.01)


def bias(steps_of, word="BAOAB"):
    second, _ = radial(2)
    found = []
    for h, steps in steps_of.items():
        (square, _), _ = sample(
            GeodesicSplitting(word), 2, jnp.array(h), steps, int(15 / h), jr.key(11)
        )
        found.append(abs(float(square) / second - 1.0))
    return slope(list(steps_of), found)


def test_the_bias_falls_as_the_square_of_the_step(x64):
    assert 1.7 < bias({0.7: 1500, 1.1: 1000}) < 2.3


@pytest.mark.slow
def test_the_bias_falls_as_the_square_of_the_step_at_length(x64):
    assert 1.85 < bias({0.5: 15_000, 0.7: 11_000, 1.0: 8_000}) < 2.15


def test_the_documents_solver_samples_another_law(x64):
    (square, _), _ = sample(DocumentBAOAB(), 2, jnp.array(0.05), 1000, 400, jr.key(3))
    assert square == pytest.approx(0.28, abs=0.01)
