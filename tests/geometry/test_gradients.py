"""Derivatives of the geometry: finite where textbook formulas are 0/0, and right everywhere else."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import gyrax.geometry as geometry
from gyrax.geometry import safe

# Every public function, of two points and a vector.
FUNCTIONS = {
    "conformal_factor": lambda x, y, v: geometry.conformal_factor(x),
    "metric": lambda x, y, v: geometry.metric(x),
    "inverse_metric": lambda x, y, v: geometry.inverse_metric(x),
    "temperature": lambda x, y, v: geometry.temperature(x, 8),
    "flat": lambda x, y, v: geometry.flat(x, v),
    "sharp": lambda x, y, v: geometry.sharp(x, v),
    "christoffel": lambda x, y, v: geometry.christoffel(x, v),
    "project": lambda x, y, v: geometry.project(x),
    "project from outside": lambda x, y, v: geometry.project(x + 3 * v),
    "mobius_add": lambda x, y, v: geometry.mobius_add(x, y),
    "gyration": lambda x, y, v: geometry.gyration(x, y, v),
    "translate": lambda x, y, v: geometry.translate(x, y, v),
    "distance": lambda x, y, v: geometry.distance(x, y),
    "exp_map": lambda x, y, v: geometry.exp_map(x, v),
    "log_map": lambda x, y, v: geometry.log_map(x, y),
    "squared_distance": lambda x, y, v: geometry.squared_distance(x, y),
    "geodesic": lambda x, y, v: geometry.geodesic(x, y, 0.3),
    "parallel_transport": lambda x, y, v: geometry.parallel_transport(v, x, y),
    "transport_scale": lambda x, y, v: geometry.transport_scale(x, y),
    "geodesic_flow": lambda x, y, v: geometry.geodesic_flow(x, v, 0.7),
    "frechet_mean": lambda x, y, v: geometry.frechet_mean(
        jnp.stack([x, y, x]), jnp.asarray([0.5, 0.3, 0.2], x.dtype), steps=2
    ),
    "safe_norm": lambda x, y, v: geometry.safe_norm(v),
}


def test_every_public_function_is_here():
    public = {name for name in dir(geometry) if callable(getattr(geometry, name))}
    assert public <= set(FUNCTIONS)


def flattened(name):
    def function(x, y, v):
        return jnp.concatenate(
            [jnp.ravel(leaf) for leaf in jax.tree.leaves(FUNCTIONS[name](x, y, v))]
        )

    return function


def values(x, y, v):
    return {name: flattened(name)(x, y, v) for name in FUNCTIONS}


def cotangent(n):
    return np.cos(
        1.0 + np.arange(n)
    )  # no zeros and no symmetry, which could hide a NaN or an error


def pullbacks(x, y, v):
    """Reverse mode: the derivative of ⟨cotangent, value⟩ with respect to x, y and v."""
    out = {}
    for name in FUNCTIONS:
        value, pull = jax.vjp(flattened(name), x, y, v)
        out[name] = pull(jnp.asarray(cotangent(value.size), value.dtype))
    return out


# One compilation each for all functions, and a quick one: what is computed does not depend on it.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
value = jit(jax.vmap(values))
forward = jit(jax.vmap(jax.jacfwd(values, argnums=(0, 1, 2))))
reverse = jit(jax.vmap(pullbacks))


def points(dtype):
    """Degenerate triples (x, y, v) by name, and in the last places ordinary ones."""
    rng = np.random.default_rng(1)
    zero, x, y, v, u = np.zeros(3), *rng.uniform(-0.5, 0.5, (4, 3))
    with jax.enable_x64(dtype == jnp.float64):
        edge, end = (np.asarray(geometry.project(jnp.asarray(9 * a, dtype))) for a in (x, y))
    tiny = np.finfo(dtype).tiny
    cases = {
        "v = 0": (x, y, zero),
        "x = y": (x, x, v),
        "x = y, v = 0": (x, x, zero),
        "x = 0": (zero, y, v),
        "y = 0": (x, zero, v),
        "all zero": (zero, zero, zero),
        "x = y = 0": (zero, zero, v),
        "x = -y": (x, -x, v),
        "v tiny": (x, y, np.full(3, tiny)),
        "x and y tiny": (np.full(3, tiny), np.full(3, -tiny), v),
        "x - y one ulp": (x, x * (1 + np.finfo(dtype).eps), v),
        "x at the edge": (edge, y, v),
        "y at the edge": (x, edge, v),
        "both at the edge": (edge, end, v),
        "x = y at the edge": (edge, edge, v),
        "x = -y at the edge": (edge, -edge, v),
        "v = 0 at the edge": (edge, edge, zero),
        "v outward at the edge": (edge, end, edge),
        "v inward at the edge": (edge, end, -edge),
        "v = -x": (x, y, -x),
        "long v": (x, y, 300 * v),
        "ordinary": (x, y, v),
        "ordinary too": (u, x, y),
    }
    return list(cases), [jnp.asarray(np.stack(a), dtype) for a in zip(*cases.values(), strict=True)]


@functools.cache
def derivatives(dtype):
    """Names of the cases, the three Jacobians of each function there, and its pullbacks."""
    names, arguments = points(dtype)
    return names, *jax.device_get((forward(*arguments), reverse(*arguments)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_finite_at_every_degenerate_point(name, dtype):
    cases, jacobian, pullback = derivatives(dtype)
    for mode, arrays in (("forward", jacobian[name]), ("reverse", pullback[name])):
        finite = np.all([np.isfinite(a.reshape(len(cases), -1)).all(1) for a in arrays], axis=0)
        assert finite.all(), (mode, [c for c, ok in zip(cases, finite, strict=True) if not ok])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forward_and_reverse_gradients_agree(name, dtype):
    """Away from the edge, where the intermediate factors of the two orders are of size λ²."""
    cases, jacobian, pullback = derivatives(dtype)
    inside = np.array(["edge" not in case and "long" not in case for case in cases])
    for j, pulled in zip(jacobian[name], pullback[name], strict=True):
        expected = np.einsum("nij,i->nj", j, cotangent(j.shape[1]))[inside]
        scale = max(1.0, np.abs(j[inside]).max())
        assert np.abs(pulled[inside] - expected).max() < 256 * np.finfo(dtype).eps * scale


def smooth_cases(name):
    if name == "project from outside":  # its corner is the boundary
        return ["ordinary", "ordinary too"]
    if name in ("distance", "safe_norm"):  # norms, with a corner at zero
        return ["ordinary", "ordinary too", "x = 0", "y = 0", "x = -y"]
    zeros = ["v = 0", "x = y", "x = y, v = 0", "x = 0", "y = 0", "x = y = 0", "all zero"]
    return [*zeros, "x = -y", "x - y one ulp", "v = -x", "ordinary", "ordinary too"]


@functools.cache
def differences():
    """Fourth-order central differences of every function, [argument][coordinate][name], in float64."""
    _, arguments = points(jnp.dtype("float64"))
    h = 1e-3

    def slope(which, axis):
        out = dict.fromkeys(FUNCTIONS, 0.0)
        for weight, step in ((8, h), (-8, -h), (-1, 2 * h), (1, -2 * h)):
            moved = list(arguments)
            moved[which] = moved[which].at[:, axis].add(step)
            for name, at in value(*moved).items():
                out[name] = out[name] + weight * np.asarray(at) / (12 * h)
        return out

    return [[slope(which, axis) for axis in range(3)] for which in range(3)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_finite_differences(name, x64):
    """Where the functions are smooth; the differences are right to h⁴ = 1e-12 times a fifth derivative."""
    cases, jacobian, _ = derivatives(jnp.dtype("float64"))
    rows = [cases.index(case) for case in smooth_cases(name)]
    for which in range(3):
        for axis in range(3):
            expected = differences()[which][axis][name][rows]
            error = jacobian[name][which][rows, :, axis] - expected
            assert np.abs(error).max() < 1e-8 * max(1.0, np.abs(expected).max()), (which, axis)


def test_second_derivatives_of_log_map_at_the_base_point_are_christoffel_symbols(dtype):
    """log_z(y) = (y − z) + ½ Γ(y − z, y − z) + …: finite, and right, where the textbook form is 0/0."""
    _, (x, _, _) = points(dtype)
    x = x[np.array([0, 3, -1])]
    second, form, mixed = second_derivatives(x, x)
    np.testing.assert_allclose(second, form / 2, atol=64 * jnp.finfo(dtype).eps)
    assert np.isfinite(mixed).all()


@jit
@jax.vmap
def second_derivatives(x, y):
    """Of log with respect to y, of the quadratic form Γ, and of log with respect to x and y."""
    return (
        jax.hessian(geometry.log_map, argnums=1)(x, y),
        jax.hessian(geometry.christoffel, argnums=1)(x, y),
        jax.jacfwd(jax.jacrev(geometry.log_map), argnums=1)(x, y),
    )


def test_distance_has_the_gradient_of_a_distance(dtype):
    """∇ₓ d(x, y) = −λ(x)² log_x(y)/d, of metric length one; zero, not NaN, at x = y."""
    _, (x, y, _) = points(dtype)
    x, y = x[-2:], y[-2:]
    nabla = jit(jax.vmap(jax.grad(geometry.distance)))
    gradient = nabla(x, y)
    by_log = lambda x, y: -geometry.flat(x, geometry.log_map(x, y)) / geometry.distance(x, y)
    expected = jit(jax.vmap(by_log))(x, y)
    np.testing.assert_allclose(gradient, expected, rtol=64 * jnp.finfo(dtype).eps)
    np.testing.assert_array_equal(nabla(x, x), 0.0)


SERIES = {
    "tanhc": (safe.tanhc, lambda x: mpmath.tanh(x) / x),
    "asinhc": (safe.asinhc, lambda x: mpmath.asinh(x) / x),
    "sech2": (safe.sech2, lambda x: mpmath.sech(x) ** 2),
    "asinh_squared": (safe.asinh_squared, lambda x: mpmath.asinh(x) ** 2),
}


def squares(dtype):
    """Squares on both sides of the threshold between the series and the closed form, and at it."""
    eps = float(jnp.finfo(dtype).eps)
    thresholds = np.outer([eps ** (1 / n) for n in range(4, 10)], 1 + np.arange(-3, 4) * eps)
    far = np.geomspace(1e-12, 300.0, 150)
    return np.concatenate([far, thresholds.ravel()]).astype(dtype)


@pytest.mark.parametrize("name", SERIES)
def test_safe_series_are_accurate_across_their_threshold(name, dtype):
    """To 4 eps; sech² falls as exp(−2x), so that half an ulp of x = √square alone is x eps of it."""
    function, oracle = SERIES[name]
    square = squares(dtype)
    with mpmath.workdps(40):
        expected = [oracle(mpmath.sqrt(mpmath.mpf(float(s)))) for s in square]
        computed = np.asarray(jax.jit(function)(jnp.asarray(square)))
        pairs = zip(computed, expected, strict=True)
        error = np.array([float(abs(mpmath.mpf(float(a)) / b - 1)) for a, b in pairs])
    conditioning = np.sqrt(square.astype(float)) if name == "sech2" else 0.0
    units = error / (jnp.finfo(dtype).eps * (4.0 + 2.0 * conditioning))
    assert units.max() < 1, (square[units.argmax()], units.max())
    origin = 0.0 if name == "asinh_squared" else 1.0
    np.testing.assert_array_equal(function(jnp.zeros(2, dtype)), origin)


@pytest.mark.parametrize("name", SERIES)
def test_derivatives_of_safe_series_are_accurate_across_their_threshold(name, dtype):
    """With respect to the square. Two slopes are the difference of two terms of size 1/square; those
    of sech² and arsinh² are products, accurate to the last digits as the functions are."""
    function, oracle = SERIES[name]
    square = squares(dtype)
    square = square[(square > 1e-10) & (square < 30)]
    derivative = np.asarray(jit(jax.vmap(jax.grad(function)))(jnp.asarray(square)))
    with mpmath.workdps(40):
        f = lambda s: oracle(mpmath.sqrt(s))
        expected = np.array([float(mpmath.diff(f, mpmath.mpf(float(s)))) for s in square])
    threshold = float(jnp.finfo(dtype).eps) ** (1 / 7)
    scale = np.abs(expected) * (1.0 + np.sqrt(square) if name == "sech2" else 1.0)
    if name in ("tanhc", "asinhc"):
        scale = np.maximum(scale, 1 / np.maximum(square, threshold))
    assert np.max(np.abs(derivative - expected) / scale) < 8 * jnp.finfo(dtype).eps
    third = jit(jax.vmap(jax.grad(jax.grad(jax.grad(function)))))(jnp.zeros(1, dtype))
    assert np.isfinite(third).all()


def test_safe_norm(dtype):
    x = jnp.asarray([[3.0, 4.0], [0.0, 0.0], [1e-10, 0.0]], dtype)
    norms, gradient, hessian = jit(
        jax.vmap(lambda x: tuple(f(x) for f in (safe.safe_norm, *slopes(safe.safe_norm))))
    )(x)
    np.testing.assert_allclose(norms, [5.0, 0.0, 1e-10], rtol=2 * jnp.finfo(dtype).eps)
    np.testing.assert_allclose(gradient, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)
    assert np.isfinite(hessian).all()


def slopes(function):
    return jax.grad(function), jax.hessian(function)


def test_the_squared_distance_is_smooth_where_points_meet(dtype):
    """Its Hessian at x = y is 2λ², which the square of `distance` has not."""
    x = jnp.asarray([0.3, -0.2, 0.5], dtype)
    hessian = jit(jax.hessian(geometry.squared_distance, argnums=1))(x, x)
    want = 2 * (2 / (1 - float(np.sum(np.square(x))))) ** 2 * np.eye(3)
    np.testing.assert_allclose(hessian, want, rtol=1e-5, atol=1e-5)
