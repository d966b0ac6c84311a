"""The Cayley rotation against mpmath and NumPy: its norm, its digits in a strong field, its derivatives."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from gyrax.dynamics.rotation import _eliminate, _inverse, cayley_rotate


def antisymmetric(dim, norm, seed):
    a = np.random.default_rng(seed).normal(size=(dim, dim))
    s = a - a.T
    return s * norm / np.linalg.norm(s, 2)


@pytest.mark.parametrize("dim", [2, 3, 4, 8, 16, 32])
def test_rotation_keeps_the_norm_and_is_cayleys(dim, x64):
    generators = np.stack([antisymmetric(dim, norm, k) for k, norm in enumerate((0.01, 1.0, 10.0))])
    p = np.random.default_rng(dim).normal(size=(3, dim))
    rotated = np.asarray(jax.jit(jax.vmap(cayley_rotate))(generators, p))
    before, after = np.linalg.norm(p, axis=1), np.linalg.norm(rotated, axis=1)
    assert np.max(np.abs(after / before - 1.0)) < 1e-13
    mp = mpmath.MPContext()
    mp.dps = 40
    for s, momentum, result in zip(generators, p, rotated, strict=True):
        s, one = mp.matrix(s.tolist()), mp.eye(dim)
        exact = mp.lu_solve(one - s, (one + s) * mp.matrix(momentum.tolist()))
        assert np.allclose(result, [float(x) for x in exact], rtol=0, atol=1e-13 * dim)


def test_rotation_keeps_the_norm_in_float32():
    for dim in (3, 8):
        s = jnp.asarray(antisymmetric(dim, 3.0, 0), jnp.float32)
        p = jnp.arange(1.0, dim + 1.0, dtype=jnp.float32)
        rotated = jax.jit(cayley_rotate)(s, p)
        assert rotated.dtype == jnp.float32
        assert abs(jnp.linalg.norm(rotated) / jnp.linalg.norm(p) - 1.0) < 3e-6


def exact_rotation(s, p):
    """In float64, by NumPy's solve with pivots."""
    s, p = np.asarray(s, float), np.asarray(p, float)
    return 2.0 * np.linalg.solve(np.eye(s.shape[-1]) - s, p[..., None])[..., 0] - p


@pytest.mark.parametrize("dim", [5, 16, 33])
def test_rotation_keeps_its_digits_in_a_strong_field_in_float32(dim):
    """Without the refinement the elimination loses a factor ‖S‖."""
    s = np.float32([antisymmetric(dim, 100.0, k) for k in range(50)])
    p = np.random.default_rng(dim).normal(size=(50, dim)).astype(np.float32)
    rotated = jax.jit(jax.vmap(cayley_rotate))(s, p)
    error = np.linalg.norm(rotated - exact_rotation(s, p), axis=1) / np.linalg.norm(p, axis=1)
    assert np.median(error) < 1e-6
    assert np.max(error) < 3e-5


@pytest.mark.parametrize("dim", [4, 16])
@pytest.mark.parametrize("largest", [0.1, 0.99, 1.01])
def test_weak_fields_lose_no_digits(dim, largest, dtype):
    """On both sides of the bound at which the elimination is left out, and whatever the batch holds.

    `largest` is the largest norm of the batch, as a share of that at which I + S is inverse enough.
    """
    eps = float(jnp.finfo(dtype).eps)
    bound = (eps / 4) ** 0.25
    s = np.stack([antisymmetric(dim, 1.0, k) for k in range(50)])
    s *= (largest * bound / np.linalg.norm(s, axis=(1, 2)).max()).astype(dtype)
    s, p = s.astype(dtype), np.random.default_rng(dim).normal(size=(50, dim)).astype(dtype)
    rotated = np.asarray(jax.jit(jax.vmap(cayley_rotate))(s, p), float)
    length = np.linalg.norm(p.astype(float), axis=1)
    assert np.max(np.linalg.norm(rotated - exact_rotation(s, p), axis=1) / length) < 6 * eps
    assert np.max(np.abs(np.linalg.norm(rotated, axis=1) / length - 1.0)) < 4 * eps
    shifted = jnp.asarray(np.eye(dim, dtype=dtype) - s)
    first_order = 2.0 * np.eye(dim) - shifted
    assert np.array_equal(jax.vmap(_inverse)(shifted), first_order) == (largest < 1.0)
    assert np.array_equal(_inverse(shifted[0]), first_order[0]) == (np.linalg.norm(s[0]) < bound)


def test_one_strong_field_in_a_batch_has_all_of_it_eliminated():
    s = np.float32([antisymmetric(6, norm, k) for k, norm in enumerate((1e-6, 1e-5, 1.0))])
    shifted = jnp.asarray(np.eye(6, dtype=np.float32) - s)
    assert np.allclose(jax.vmap(_inverse)(shifted), jax.vmap(_eliminate)(shifted), atol=1e-6)


@pytest.mark.parametrize("dim", [3, 6, 16, 33])
@pytest.mark.parametrize("norm", [1e-5, 2.0])
def test_derivatives_are_those_of_the_solve(dim, norm, x64):
    def by_solve(s, p):
        return 2.0 * jnp.linalg.solve(jnp.eye(dim) - s, p) - p

    rng = np.random.default_rng(dim)
    s = np.stack([antisymmetric(dim, norm, k) for k in range(4)]).reshape(2, 2, dim, dim)
    p, along, weights = rng.normal(size=(3, 2, 2, dim))
    turn = np.stack([antisymmetric(dim, 1.0, 9 + k) for k in range(4)]).reshape(s.shape)

    def derivatives(rotate):
        def scalar(s, p):
            return jnp.sum(weights * jnp.sin(jax.vmap(jax.vmap(rotate))(s, p)))

        gradient = jax.grad(scalar, argnums=(0, 1))
        return gradient(s, p), *jax.jvp(gradient, (s, p), (turn, along))

    ours, theirs = (jax.jit(lambda f=f: derivatives(f))() for f in (cayley_rotate, by_solve))
    # Only the part along antisymmetric S is defined by the closed form of D = 3.
    skew = lambda x: x - np.swapaxes(x, -1, -2) if x.shape[-2:] == (dim, dim) else x
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.allclose(skew(a), skew(b), rtol=0, atol=1e-10)


def test_one_field_for_a_batch_is_inverted_once():
    s, p = jnp.asarray(antisymmetric(16, 1.0, 0)), jnp.ones((7, 16))
    shapes = jax.make_jaxpr(jax.vmap(cayley_rotate, in_axes=(None, 0)))(s, p).pretty_print()
    assert "16,16,7" not in shapes
    many = jax.make_jaxpr(jax.vmap(cayley_rotate))(jnp.stack([s] * 7), p).pretty_print()
    assert "16,16,7" in many
