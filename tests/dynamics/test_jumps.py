"""How a jump carries the momentum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import start

from gyrax import geometry, kinetic_energy
from gyrax.dynamics import BallJumpProcess, apply_jump, jump_probability


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_an_isometry_keeps_the_kinetic_energy(c, dtype):
    y = start(3, dtype, c)
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0], dtype)
    centre = jnp.array([0.3, -0.4, 0.5], dtype)
    jump = lambda z: geometry.mobius_add(centre, turn @ z, c)
    after = apply_jump(jump, y, c)
    assert after.z.dtype == after.p.dtype == dtype
    assert jnp.allclose(after.z, jump(y.z))
    bar = 1e-13 if dtype == jnp.float64 else 1e-5
    before = kinetic_energy(y.z, y.p, c)
    assert jnp.abs(kinetic_energy(after.z, after.p, c) / before - 1.0) < bar
    # The geodesic started after the jump is the image of the one started before it.
    moved = geometry.exp_map(after.z, geometry.sharp(after.z, after.p, c), c)
    image = jump(geometry.exp_map(y.z, geometry.sharp(y.z, y.p, c), c))
    assert jnp.allclose(moved, image, atol=10 * bar)


def test_a_contraction_slows_down(x64):
    y = start(2)
    after = apply_jump(lambda z: 0.5 * z, y)
    velocity = geometry.sharp(after.z, after.p)
    assert jnp.allclose(velocity, 0.5 * geometry.sharp(y.z, y.p))


def test_momentum_is_carried_at_a_fixed_mark(x64):
    """A target that depends on z through its mark does not enter the differential."""
    jumps = BallJumpProcess(
        rate=lambda t, z, args: 1.0,
        apply=lambda t, z, args, mark: z + mark,
        mark=lambda t, z, args, key: -0.5 * z + 0.0 * jax.random.normal(key, z.shape),
    )
    y = start(2)
    mark = jumps.draw(0.0, y, None, jax.random.key(0))
    after = jumps.move(0.0, y, None, mark)
    assert jnp.allclose(after.z, 0.5 * y.z)
    assert jnp.allclose(geometry.sharp(after.z, after.p), geometry.sharp(y.z, y.p))


def test_jump_probability_keeps_small_rates():
    rates = jnp.array([0.0, 1e-9, 1.0, 1e3])
    expected = -np.expm1(-0.1 * np.asarray(rates, float))
    assert np.allclose(jump_probability(rates, 0.1), expected, rtol=1e-6)
