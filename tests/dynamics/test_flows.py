"""The sub-flows against their laws: geodesics, rotations, volume, the Ornstein–Uhlenbeck formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import bumpy, run, start, terms_of, twisting_field

from gyrax import GeodesicSplitting, geometry
from gyrax.dynamics.flows import kick_flow, thermostat_flow
from gyrax.dynamics.terms import Forces, kinetic_energy

BARS = {"float64": (1e-12, 1e-10), "float32": (1e-4, 1e-4)}


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_free_flight_is_the_geodesic_at_constant_energy(c, dtype):
    terms = terms_of(lambda z, c: 0.0 * z.sum(), c=c)
    y0 = start(3, dtype, c)
    energy, way = BARS[dtype.name]
    h, steps = jnp.asarray(0.02, dtype), 100
    measure = lambda y: kinetic_energy(y.z, y.p, c)
    y, worst = run(GeodesicSplitting("BAOAB"), terms, h, jnp.asarray(steps), y0, measure)
    velocity = geometry.sharp(y0.z, y0.p, c)
    exact = geometry.exp_map(y0.z, h * steps * velocity, c)
    assert y.z.dtype == dtype
    assert geometry.distance(y0.z, y.z, c) > 0.5
    assert worst < energy * measure(y0)
    assert jnp.linalg.norm(y.z - exact) < way


@pytest.mark.parametrize("c", [1.0, 0.4])
def test_drift_and_kick_keep_the_volume_of_phase_space(c, x64):
    def drift(state):
        return jnp.stack(geometry.geodesic_flow(state[0], state[1], 0.7, c))

    def kick(state):
        z, p = state
        forces = Forces(jax.grad(bumpy)(z, c), twisting_field(0.0, z, None))
        return jnp.stack([z, kick_flow(z, p, forces, 0.7, beta=1.5, c=c)])

    states = jnp.stack([jnp.stack([s * start(3, c=c).z, start(3).p]) for s in (0.0, 1.0, 2.0)])
    for flow in (drift, kick):
        jacobians = jax.jit(jax.vmap(jax.jacfwd(flow)))(states).reshape(3, 6, 6)
        assert np.max(np.abs(np.linalg.det(np.asarray(jacobians)) - 1.0)) < 1e-10


def test_thermostat_is_exact_reversible_and_idle_without_friction(x64):
    y, dw = start(3), jnp.array([0.3, -0.2, 0.5])
    flow = jax.jit(
        lambda p, dw, t, friction: thermostat_flow(
            y.z, p, dw, t, friction=friction, temperature=0.4, c=0.5
        )
    )
    scale = geometry.conformal_factor(y.z, 0.5)
    for friction, t in ((2.0, 0.3), (1e-9, 0.3), (50.0, 2.0)):
        forward = flow(y.p, dw, t, friction)
        width = np.sqrt(-np.expm1(-2.0 * friction * t) * 0.4 / t)
        expected = np.exp(-friction * t) * y.p + width * scale * dw
        assert np.allclose(forward, expected, rtol=1e-13)
        if friction < 10.0:
            assert np.allclose(flow(forward, -dw, -t, friction), y.p, rtol=1e-12)
    assert np.array_equal(flow(y.p, dw, 0.3, 0.0), y.p)
    assert np.allclose(flow(y.p, 0.0 * dw, 0.0, 2.0), y.p, rtol=1e-15)
