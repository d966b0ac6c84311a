"""The laws of the ball: gyrogroup, isometries, geodesics, Hamiltonian flow, curvature, projection."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gyrax.geometry as geometry

T, S = 0.7, 0.45


def norm(v):
    return jnp.linalg.norm(v, axis=-1)


def length(z, v, c):
    """Metric length of a tangent vector."""
    return geometry.conformal_factor(z, c) * norm(v)


def defects(x, y, z, v, c):
    """By how much each law fails: metric lengths and distances, or relative; all zero in exact arithmetic."""
    add = functools.partial(geometry.mobius_add, c=c)
    gyr = functools.partial(geometry.gyration, c=c)
    exp = functools.partial(geometry.exp_map, c=c)
    log = functools.partial(geometry.log_map, c=c)
    far = functools.partial(geometry.distance, c=c)
    line = functools.partial(geometry.geodesic, c=c)
    carry = functools.partial(geometry.parallel_transport, c=c)
    d, origin = far(x, y), jnp.zeros_like(x)
    moved, there = add(z, y), carry(v, x, y)
    along, back = line(x, y, T), carry(there, y, x)
    return {
        "left cancellation": far(add(-x, add(x, y)), y),
        "neutral element": far(add(origin, y), y) + far(add(y, origin), y),
        "inverse element": far(add(-x, x), origin),
        "gyroassociativity": far(add(x, add(y, z)), add(add(x, y), gyr(x, y, z))),
        "gyrocommutativity": far(add(x, y), gyr(x, y, add(y, x))),
        "left loop": norm(gyr(x, y, v) - gyr(add(x, y), y, v)) / norm(v),
        "gyration inverts": norm(gyr(y, x, gyr(x, y, v)) - v) / norm(v),
        "gyration is an automorphism": far(gyr(x, y, add(z, x)), add(gyr(x, y, z), gyr(x, y, x))),
        "gyration preserves the norm": norm(gyr(x, y, v)) / norm(v) - 1,
        "translation is an isometry": far(add(z, x), moved) - d,
        "inversion is an isometry": far(-x, -y) - d,
        "distance is symmetric": far(y, x) - d,
        "distance is the length of log": length(x, log(x, y), c) - d,
        "exp after log": far(exp(x, log(x, y)), y),
        "log after exp": length(x, log(x, exp(x, v)) - v, c),
        "geodesic starts at x": far(line(x, y, 0.0), x),
        "geodesic ends at y": far(line(x, y, 1.0), y),
        "geodesic splits the distance": far(x, along) - T * d,
        "geodesic is shortest": far(x, along) + far(along, y) - d,
        "geodesic reverses": far(along, line(y, x, 1 - T)),
        "transport preserves the norm": length(y, there, c) / length(x, v, c) - 1,
        "transport inverts": length(x, back - v, c),
        "transport carries the tangent": length(y, carry(log(x, y), x, y) + log(y, x), c),
        "transport composes along a geodesic": length(
            y, carry(carry(v, x, along), along, y) - there, c
        ),
        "transport scale": geometry.transport_scale(x, y, c) - norm(there) / norm(v),
        "translation carries velocities": far(
            # (L_z)∗ v at z ⊕ x, from the transports of the two geodesics out of the origin
            add(z, exp(x, v)),
            exp(add(z, x), carry(gyr(z, x, carry(v, x, origin)), origin, add(z, x))),
        ),
        "sharp inverts flat": length(x, geometry.sharp(x, geometry.flat(x, v, c), c) - v, c),
        "metric times inverse": norm(
            (geometry.metric(x, c) @ geometry.inverse_metric(x, c) - jnp.eye(x.shape[-1])).reshape(
                len(x), -1
            )
        ),
        "metric measures lengths": jnp.einsum("ni,nij,nj->n", v, geometry.metric(x, c), v)
        / length(x, v, c) ** 2
        - 1,
        "temperature": geometry.temperature(x, 9, c) * geometry.conformal_factor(x, c) - 3,
    }


LAWS = tuple(jax.eval_shape(defects, *[jax.ShapeDtypeStruct((1, 2), jnp.float32)] * 4, 1.0))
# A quick compilation: what is computed does not depend on it.
defects = jax.jit(defects, compiler_options={"xla_backend_optimization_level": 0})


def ball(rng, n, dim, radius=2.5):
    """Points at distances from the origin up to `radius` (for c = 1)."""
    u = rng.normal(size=(n, dim))
    return (
        np.tanh(rng.uniform(0, radius / 2, (n, 1))) * u / np.linalg.norm(u, axis=-1, keepdims=True)
    )


@functools.cache
def measured(dtype, dim, c):
    rng = np.random.default_rng(dim)
    x, y, z, v = (ball(rng, 64, dim) / c**0.5 for _ in range(4))
    x, y, z, v = (jnp.asarray(a, dtype) for a in (x, y, z, v))
    v = v / geometry.conformal_factor(x, c)[:, None] * 2
    return {k: np.asarray(e) for k, e in defects(x, y, z, v, jnp.asarray(c, dtype)).items()}


# Points out to d = 2.5 and sums of three of them: λ to 1e3, and λ eps bounds what floats can tell apart.
@pytest.mark.parametrize("c", [1.0, 0.16, 2.5])
@pytest.mark.parametrize("law", LAWS)
def test_law(law, c, dtype):
    error = np.abs(measured(dtype, 4, c)[law])
    assert error.shape == (64,)
    assert error.max() < 1e3 * jnp.finfo(dtype).eps * max(1.0, c**-0.5)


coordinate = st.floats(-1.0, 1.0, width=32)
point = st.lists(coordinate, min_size=3, max_size=3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(x=point, y=point, z=point)
def test_distance_is_a_metric_that_translations_preserve(x, y, z):
    with jax.enable_x64(True):
        # Out to d = 3.5, sums to 7, with the coincidences that hypothesis likes to find.
        x, y, z = (np.asarray(a) for a in (x, y, z))
        x, y, z = (a * np.tanh(np.linalg.norm(a)) / max(np.linalg.norm(a), 1) for a in (x, y, z))
        d_xy, d_yz, d_xz, moved = (float(d) for d in triangle(*map(jnp.asarray, (x, y, z))))
    assert 0 <= d_xz <= d_xy + d_yz + 1e-12
    assert (d_xy == 0) == bool(np.all(x == y)) or np.linalg.norm(x - y) < 1e-100
    assert moved == pytest.approx(d_xy, abs=1e-11, rel=1e-11)


@jax.jit
def triangle(x, y, z):
    d, add = geometry.distance, geometry.mobius_add
    return d(x, y), d(y, z), d(x, z), d(add(z, x), add(z, y))


# ------------------------------------------------------------------ connection and Hamiltonian flow


def symbols(z, c):
    """Γᵏᵢⱼ of the metric, by automatic differentiation, straight from its definition."""
    dg = jax.jacfwd(geometry.metric)(z, c)  # dg[i, j, k] = ∂ₖ gᵢⱼ
    lowered = jnp.transpose(dg, (0, 2, 1)) + dg - jnp.transpose(dg, (2, 0, 1))  # [l, i, j]
    return 0.5 * jnp.einsum("kl,lij->kij", geometry.inverse_metric(z, c), lowered)


def runge_kutta(field, state, steps):
    """Integrate for unit time by the classical fourth-order method."""
    h = 1.0 / steps
    shift = lambda s, k, a: jax.tree.map(lambda x, y: x + a * h * y, s, k)

    def step(s, _):
        k1 = field(s)
        k2 = field(shift(s, k1, 0.5))
        k3 = field(shift(s, k2, 0.5))
        k4 = field(shift(s, k3, 1.0))
        for k, a in ((k1, 1 / 6), (k2, 1 / 3), (k3, 1 / 3), (k4, 1 / 6)):
            s = shift(s, k, a)
        return s, None

    return jax.lax.scan(step, state, None, length=steps)[0]


def start(c, dim=3):
    rng = np.random.default_rng(3)
    z, v, w = (ball(rng, 8, dim, radius=1.5) / c**0.5 for _ in range(3))
    z = jnp.asarray(z)
    scale = 2.0 / geometry.conformal_factor(z, c)[:, None]
    return z, scale * v, scale * w


CURVATURES = pytest.mark.parametrize("c", [1.0, 0.16, 2.5])


@CURVATURES
def test_christoffel_is_that_of_the_metric(c, dtype):
    z, v, _ = (jnp.asarray(a, dtype) for a in start(c))
    value, expected = quadratic_forms(z, v, jnp.asarray(c, dtype))
    error = np.linalg.norm(value - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    assert error.max() < 100 * jnp.finfo(dtype).eps


@jax.jit
def quadratic_forms(z, v, c):
    by_metric = lambda z, v: jnp.einsum("kij,i,j->k", symbols(z, c), v, v)
    return geometry.christoffel(z, v, c), jax.vmap(by_metric)(z, v)


@CURVATURES
def test_geodesics_and_transport_solve_their_differential_equations(c, x64):
    """ẍ = −Γ(ẋ, ẋ) and ẇ = −Γ(ẋ, w), with Γ by automatic differentiation of the metric."""

    def field(state):
        x, velocity, w = state
        gamma = symbols(x, c) @ velocity
        return velocity, -gamma @ velocity, -gamma @ w

    z, v, w = start(c)
    y, end, moved = jax.jit(jax.vmap(lambda *s: runge_kutta(field, s, 400)))(z, v, w)
    reached = geometry.exp_map(z, v, c)
    np.testing.assert_allclose(reached, y, atol=1e-10)
    np.testing.assert_allclose(geometry.parallel_transport(w, z, reached, c), moved, atol=1e-10)
    np.testing.assert_allclose(geometry.parallel_transport(v, z, reached, c), end, atol=1e-10)


@CURVATURES
def test_geodesic_flow_solves_hamiltons_equations(c, x64):
    """ż = ∂H/∂p, ṗ = −∂H/∂z, with the gradients of H = ½ pᵀG⁻¹(z)p by automatic differentiation."""

    def hamiltonian(z, p):
        return 0.5 * p @ geometry.inverse_metric(z, c) @ p

    def field(state):
        dz, dp = jax.grad(hamiltonian, argnums=(0, 1))(*state)
        return dp, -dz

    z, v, _ = start(c)
    p = geometry.flat(z, v, c)
    expected_z, expected_p = jax.jit(jax.vmap(lambda *s: runge_kutta(field, s, 400)))(z, p)
    reached, momentum = geometry.geodesic_flow(z, p, 1.0, c)
    np.testing.assert_allclose(reached, expected_z, atol=1e-10)
    np.testing.assert_allclose(momentum, expected_p, atol=1e-9)  # p = λ²v is tens here


@jax.jit
def flows(z, p, c):
    """The flow for T, on from there for S, both at once, and back from the end."""
    first = geometry.geodesic_flow(z, p, T, c)
    second = geometry.geodesic_flow(*first, S, c)
    return (
        first,
        second,
        geometry.geodesic_flow(z, p, T + S, c),
        geometry.geodesic_flow(*second, -(T + S), c),
    )


def frame(z, p, c):
    """Momentum in the orthonormal frame: its norm is the conserved ‖p‖/λ."""
    return p / geometry.conformal_factor(z, c)[..., None]


@CURVATURES
def test_geodesic_flow_composes_reverses_and_follows_the_exponential_map(c, dtype):
    z, v, _ = (jnp.asarray(a, dtype) for a in start(c))
    p = geometry.flat(z, v, c)
    first, second, direct, back = flows(z, p, jnp.asarray(c, dtype))
    tolerance = 2e5 * jnp.finfo(dtype).eps  # 5e-11 in float64
    for state in (first, second, direct, back):
        ratio = norm(frame(*state, c)) / norm(frame(z, p, c))
        assert abs(ratio - 1).max() < 4e3 * jnp.finfo(dtype).eps  # 1e-12 in float64
    for (za, pa), (zb, pb) in ((second, direct), (back, (z, p))):
        assert geometry.distance(za, zb, c).max() < tolerance
        assert norm(frame(za, pa, c) - frame(zb, pb, c)).max() < tolerance
    np.testing.assert_allclose(first[0], geometry.exp_map(z, T * v, c), atol=tolerance)
    carried = geometry.parallel_transport(v, z, first[0], c)
    np.testing.assert_allclose(geometry.sharp(*first, c), carried, atol=tolerance)


def near_opposite(radius, dtype):
    """Points at a distance `radius` from the origin, −x but for a fraction of the gap, and vectors."""
    rng = np.random.default_rng(0)
    u, across, w = rng.normal(size=(3, 500, 3))
    gap = 1 - np.tanh(radius / 2) ** 2
    x = np.tanh(radius / 2) * u / np.linalg.norm(u, axis=-1, keepdims=True)
    y = -x * (1 - 0.5 * gap) + 0.05 * gap * across
    inward = -x + rng.uniform(0, 3, (500, 1)) * gap * across
    return (jnp.asarray(a, dtype) for a in (x, y, w, inward))


gyration = jax.jit(geometry.gyration)
RADII = pytest.mark.parametrize("radius", [1.0, 3.0, 6.0, 9.0, 12.0])


@RADII
def test_gyration_is_a_rotation_to_rounding(radius, dtype):
    """Even where λ eps is 1e-2, in float32, and the angle is known no better: a rotation all the same."""
    x, y, w, _ = near_opposite(radius, dtype)
    assert abs(norm(gyration(x, y, w)) / norm(w) - 1).max() < 16 * jnp.finfo(dtype).eps


@RADII
def test_geodesic_flow_conserves_energy(radius, dtype):
    """‖p‖/λ to rounding, past the origin too, where p turns by nearly π; λ is known to λ eps."""
    z, _, _, v = near_opposite(radius, dtype)
    speed = radius * jnp.linspace(0.3, 1.5, 500, dtype=dtype)[:, None]
    p = speed * v / norm(v)[:, None] * geometry.conformal_factor(z)[:, None]
    before = norm(frame(z, p, 1.0))
    for reached, momentum in flows(z, p, jnp.asarray(1.0, dtype))[:3]:
        worst = jnp.maximum(geometry.conformal_factor(z), geometry.conformal_factor(reached))
        error = abs(norm(frame(reached, momentum, 1.0)) / before - 1)
        assert (error < 8 * worst * jnp.finfo(dtype).eps).all()


# ---------------------------------------------------------------------------------------- curvature


@jax.jit
def everything(x, y, v, c):
    """Every function of a curvature, and the power of √c by which it scales."""
    w = geometry.flat(x, v, c)
    flow = geometry.geodesic_flow(x, w, T, c)
    return {
        "mobius_add": (geometry.mobius_add(x, y, c), 1),
        "exp_map": (geometry.exp_map(x, v, c), 1),
        "log_map": (geometry.log_map(x, y, c), 1),
        "distance": (geometry.distance(x, y, c), 1),
        "geodesic": (geometry.geodesic(x, y, T, c), 1),
        "gyration": (geometry.gyration(x, y, v, c), 1),
        "parallel_transport": (geometry.parallel_transport(v, x, y, c), 1),
        "transport_scale": (geometry.transport_scale(x, y, c), 0),
        "conformal_factor": (geometry.conformal_factor(x, c), 0),
        "metric": (geometry.metric(x, c), 0),
        "inverse_metric": (geometry.inverse_metric(x, c), 0),
        "temperature": (geometry.temperature(x, 4, c), 0),
        "flat": (geometry.flat(x, v, c), 1),
        "sharp": (geometry.sharp(x, v, c), 1),
        "christoffel": (geometry.christoffel(x, v, c), 1),
        "geodesic_flow.z": (flow[0], 1),
        "geodesic_flow.p": (flow[1], 1),
        "project": (geometry.project(3 * x, c), 1),
    }


@pytest.mark.parametrize("c", [0.16, 2.5])
def test_curvature_is_a_change_of_scale(c, x64):
    x, y, v = (jnp.asarray(ball(np.random.default_rng(i), 16, 3)) for i in range(3))
    root = c**0.5
    unit = everything(x, y, v / 4, 1.0)
    scaled = everything(x / root, y / root, v / 4 / root, c)
    for name, (value, power) in scaled.items():
        expected = unit[name][0]
        np.testing.assert_allclose(
            value * root**power, expected, rtol=1e-11, atol=1e-11, err_msg=name
        )


def test_vanishing_curvature_is_euclidean(x64):
    x, y, v = (jnp.asarray(ball(np.random.default_rng(i), 16, 3)) for i in range(3))
    flat = {
        "mobius_add": x + y,
        "exp_map": x + v,
        "log_map": y - x,
        "distance": 2 * jnp.linalg.norm(x - y, axis=-1),
        "geodesic": x + T * (y - x),
        "gyration": v,
        "parallel_transport": v,
        "transport_scale": jnp.ones(16),
        "conformal_factor": jnp.full(16, 2.0),
        "metric": jnp.broadcast_to(4 * jnp.eye(3), (16, 3, 3)),
        "inverse_metric": jnp.broadcast_to(jnp.eye(3) / 4, (16, 3, 3)),
        "temperature": jnp.ones(16),
        "flat": 4 * v,
        "sharp": v / 4,
        "christoffel": jnp.zeros_like(v),
        "geodesic_flow.z": x + T * v,
        "geodesic_flow.p": 4 * v,
        "project": 3 * x,
    }
    values = everything(x, y, v, 1e-13)
    assert set(values) == set(flat)
    for name, (value, _) in values.items():
        np.testing.assert_allclose(value, flat[name], atol=1e-11, err_msg=name)


# ----------------------------------------------------------------------------- projection and means


@pytest.mark.parametrize("c", [1.0, 0.16, 2.5])
def test_project(c, dtype):
    rng = np.random.default_rng(0)
    u = rng.normal(size=(64, 5))
    u /= np.linalg.norm(u, axis=-1, keepdims=True) * c**0.5
    eps = float(jnp.finfo(dtype).eps)
    inside = jnp.asarray(u * np.tanh(rng.uniform(0, -np.log(eps) - 4, (64, 1)) / 2), dtype)
    np.testing.assert_array_equal(geometry.project(inside, c), inside)
    outside = jnp.asarray(u * rng.choice([1.0, 1 + 1e-6, 2.0, 1e8], (64, 1)), dtype)
    kept = geometry.project(outside, c)
    assert (c * np.sum(np.square(kept, dtype=np.float64), axis=-1) < 1).all()
    again = geometry.project(kept, c)
    np.testing.assert_allclose(again, kept, rtol=2 * eps)  # to rounding of the radius
    np.testing.assert_allclose(norm(kept), norm(kept).max(), rtol=4 * eps)
    assert (jnp.sum(kept * outside, -1) > (1 - 8 * eps) * norm(kept) * norm(outside)).all()
    reach = geometry.distance(jnp.zeros_like(kept), kept, c) * c**0.5
    assert reach.min() > (30 if dtype == jnp.float64 else 12)
    assert (c * norm(geometry.exp_map(kept, jnp.asarray(100 * u, dtype), c)) ** 2 < 1).all()


def mean_case(dtype):
    rng = np.random.default_rng(5)
    weights = rng.dirichlet(np.ones(6), size=4)
    return jnp.asarray(ball(rng, 24, 3, 2.0).reshape(4, 6, 3), dtype), jnp.asarray(weights, dtype)


def test_frechet_mean_minimises_the_weighted_squared_distance(dtype):
    points, weights = mean_case(dtype)
    c = 0.16  # where eight steps of the fixed point reach rounding
    mean = jax.jit(functools.partial(geometry.frechet_mean, steps=8, c=c))(points, weights)
    assert mean.shape == (4, 3)

    @jax.jit
    def cost(z):
        return jnp.sum(weights * geometry.distance(z[:, None], points, c) ** 2, axis=-1)

    gradient = jax.jit(jax.grad(lambda z: jnp.sum(cost(z))))(mean)
    assert norm(gradient).max() < (1e-11 if dtype == jnp.float64 else 2e-5)
    rng = np.random.default_rng(0)
    for _ in range(4):
        nearby = mean + jnp.asarray(0.05 * rng.normal(size=mean.shape), dtype)
        assert (cost(nearby) > cost(mean)).all()


def test_one_step_of_frechet_mean_is_the_barycentre_at_the_origin(dtype):
    points, weights = mean_case(dtype)

    @jax.jit
    def means(points, weights):
        origin = jnp.zeros_like(points)
        tangent = jnp.sum(weights[..., None] * geometry.log_map(origin, points), axis=-2)
        barycentre = geometry.exp_map(jnp.zeros_like(tangent), tangent)
        return geometry.frechet_mean(points, weights, steps=1), barycentre

    np.testing.assert_allclose(*means(points, weights), atol=4 * jnp.finfo(dtype).eps)


def test_functions_broadcast_over_leading_axes(dtype):
    x, y = (jnp.asarray(ball(np.random.default_rng(i), 4, 3), dtype) for i in range(2))
    each = np.array([[distance(a, b) for b in np.asarray(y)] for a in np.asarray(x)])
    np.testing.assert_allclose(distance(x[:, None], y[None]), each, rtol=8 * jnp.finfo(dtype).eps)
    t = jax.ShapeDtypeStruct((5,), dtype)
    one, four = x[0], x
    shapes = (
        (geometry.geodesic, (one, one, t), (5, 3)),
        (geometry.mobius_add, (one, four), (4, 3)),
        (geometry.exp_map, (four, one), (4, 3)),
        (geometry.log_map, (four[:, None], four), (4, 4, 3)),
        (geometry.gyration, (four[:, None], four, one), (4, 4, 3)),
        (geometry.parallel_transport, (four[:, None], four, one), (4, 4, 3)),
        (geometry.transport_scale, (four[:, None], four), (4, 4)),
        (geometry.flat, (one, four), (4, 3)),
    )
    for function, arguments, shape in shapes:
        assert jax.eval_shape(function, *arguments) == jax.ShapeDtypeStruct(shape, dtype)


distance = jax.jit(geometry.distance)
