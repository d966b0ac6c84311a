"""The ball against its textbook definitions, evaluated by mpmath to 80 digits.

The oracle is given exactly the floats that the code is given, so no tolerance pays for an input.

What bounds the error. A coordinate near the boundary holds 1 − c‖z‖² only to λ eps, so one ulp of z
moves every geometric quantity by about λ eps: no algorithm can do better than the exact value at a
neighbouring float. That is therefore the unit of the tolerances: each case measures with the oracle how
far one ulp of the inputs moves the exact result, and every function may err by `TOLERANCE` times that
(or as many eps of the result's own norm). A cancelling formula errs by up to λ of these units and fails.
"""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import gyrax.geometry as geometry

mp = mpmath.MPContext()
mp.dps = 80  # the textbook gyration cancels to the fourth power of the boundary gap


# The textbook: Ungar's gyrovector formulas, on lists of mpf.
def dot(x, y):
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))


def norm(x):
    return mp.sqrt(dot(x, x))


def times(a, x):
    return [a * b for b in x]


def neg(x):
    return times(-1, x)


def lam(x, c):
    return 2 / (1 - c * dot(x, x))


def add(x, y, c):
    xy, xx, yy = dot(x, y), dot(x, x), dot(y, y)
    denominator = 1 + 2 * c * xy + c**2 * xx * yy
    left, right = 1 + 2 * c * xy + c * yy, 1 - c * xx
    return [(left * a + right * b) / denominator for a, b in zip(x, y, strict=True)]


def gyr(u, v, w, c):
    if not any(w):
        return w
    shrink = 1 / (2 * mp.sqrt(c) * norm(w))  # linear in w, which must lie in the ball
    inner = add(u, add(v, times(shrink, w), c), c)
    return times(1 / shrink, add(neg(add(u, v, c)), inner, c))


def exp(x, v, c):
    if not any(v):
        return x
    root = mp.sqrt(c)
    return add(x, times(mp.tanh(root * lam(x, c) * norm(v) / 2) / (root * norm(v)), v), c)


def log(x, y, c):
    w, root = add(neg(x), y, c), mp.sqrt(c)
    if not any(w):
        return w
    return times(2 / (root * lam(x, c)) * mp.atanh(root * norm(w)) / norm(w), w)


def dist(x, y, c):
    root = mp.sqrt(c)
    return [2 / root * mp.atanh(root * norm(add(neg(x), y, c)))]


def along(x, y, c, t):
    w, root = add(neg(x), y, c), mp.sqrt(c)
    if not any(w):
        return x
    return add(x, times(mp.tanh(t * mp.atanh(root * norm(w))) / (root * norm(w)), w), c)


def transport(v, x, y, c):
    return times(lam(x, c) / lam(y, c), gyr(y, neg(x), v, c))


def flow(z, p, c, t):
    """Free flight: where, and the momentum in the orthonormal frame there, p/λ."""
    velocity = times(lam(z, c) ** -2, p)
    y = exp(z, times(t, velocity), c)
    return y, times(lam(y, c), transport(velocity, z, y, c))


def flow_in_frame(z, p, c):
    y, p = geometry.geodesic_flow(z, p, T, c)
    return p / geometry.conformal_factor(y, c)[..., None]


T = 0.375  # a time that both dtypes hold exactly

# name: (arguments, oracle, code). Points x, y; tangent v at x of moderate metric length; any vector w;
# momentum p at x.
FUNCTIONS = {
    "conformal_factor": ("x", lambda x, c: [lam(x, c)], geometry.conformal_factor),
    "temperature": (
        "x",
        lambda x, c: [mp.sqrt(7) / lam(x, c)],
        lambda x, c: geometry.temperature(x, 7, c),
    ),
    "flat": ("xv", lambda x, v, c: times(lam(x, c) ** 2, v), geometry.flat),
    "sharp": ("xp", lambda x, p, c: times(lam(x, c) ** -2, p), geometry.sharp),
    "mobius_add": ("xy", add, geometry.mobius_add),
    "gyration": ("xyw", gyr, geometry.gyration),
    "translate.z": ("xyw", lambda x, y, w, c: add(x, y, c), lambda *a: geometry.translate(*a)[0]),
    "translate.w": ("xyw", gyr, lambda *a: geometry.translate(*a)[1]),
    "exp_map": ("xv", exp, geometry.exp_map),
    "log_map": ("xy", log, geometry.log_map),
    "distance": ("xy", dist, geometry.distance),
    "squared_distance": ("xy", lambda *a: [d**2 for d in dist(*a)], geometry.squared_distance),
    "geodesic": (
        "xy",
        lambda x, y, c: along(x, y, c, mp.mpf(T)),
        lambda x, y, c: geometry.geodesic(x, y, T, c),
    ),
    "parallel_transport": ("wxy", transport, geometry.parallel_transport),
    "transport_scale": ("xy", lambda x, y, c: [lam(x, c) / lam(y, c)], geometry.transport_scale),
    "geodesic_flow.z": (
        "xp",
        lambda x, p, c: flow(x, p, c, mp.mpf(T))[0],
        lambda x, p, c: geometry.geodesic_flow(x, p, T, c)[0],
    ),
    "geodesic_flow.p": (
        "xp",
        lambda x, p, c: flow(x, p, c, mp.mpf(T))[1],
        flow_in_frame,  # p itself carries the rounding of z in λ(z), so that p/λ need not
    ),
}

TOLERANCE = 8.0  # ulps of the inputs, as above; the worst measured is 3.2, most are below 1


@jax.jit
def evaluate(arguments, c):
    return {
        name: code(*(arguments[a] for a in letters), c)
        for name, (letters, _, code) in FUNCTIONS.items()
    }


def directions(rng, n, dim):
    u = rng.normal(size=(n, dim))
    return u / np.linalg.norm(u, axis=-1, keepdims=True)


def cases(dtype, dim, c):
    """Ordinary pairs, pairs near the boundary, nearly opposite and nearly equal ones, and the origin."""
    rng = np.random.default_rng(dim)
    eps = float(jnp.finfo(dtype).eps)
    far = -np.log(eps) - 5.0  # leaves the boundary gap some hundred ulps
    u, other = directions(rng, 6, dim), directions(rng, 6, dim)
    middle = np.tanh(rng.uniform(0.3, 2.0, (6, 1)) / 2)
    edge = np.tanh(np.linspace(0.4, 1.0, 6)[:, None] * far / 2)
    gap = 1 - edge**2
    zero = np.zeros((1, dim))
    x = [middle * u, edge * u, edge * u, edge * u, edge * u, middle * u, zero, middle[:2] * u[:2]]
    y = [
        middle[::-1] * other,  # ordinary
        edge[::-1] * other,  # both near the boundary, apart
        -edge * u * (1 - 0.3 * gap) + 0.3 * gap * other,  # nearly opposite
        edge * u * (1 - 0.3 * gap) + 0.3 * gap * other,  # nearly equal at the scale of the metric
        edge * u * (1 + 3 * eps),  # equal but for a few ulps
        middle * u * (1 - 20 * eps),
        middle[:1] * u[:1],
        [middle[0] * u[0], -middle[1] * u[1]],  # equal and opposite
    ]
    x, y = np.concatenate(x), np.concatenate(y)
    gap_x = 1 - np.sum(x * x, -1, keepdims=True)
    n = len(x)
    # A third each: any direction; inward past the origin, where the momentum turns by nearly π; tiny.
    length = np.minimum(rng.uniform(0.2, 1.0, (n, 1)) * 8, np.log(4 * gap_x / eps) - 5.0)
    inward = -x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 0.1)
    inward = inward + 2 * gap_x * directions(rng, n, dim)
    kind = np.arange(n)[:, None] % 3
    distance_0 = np.log(4 / gap_x)
    v = np.where(kind == 1, 2 * distance_0 / T * inward, length * directions(rng, n, dim))
    v = np.where(kind == 2, 1e-5, 1.0) * 0.5 * gap_x * v  # to coordinates: λ⁻¹ = gap/2
    root = np.sqrt(c)
    w = rng.normal(size=(n, dim))
    w[0] = 0.0
    exp_v = np.where(kind == 1, T, 1.0) * v  # inward by as much as the flow goes in a time T
    p = 4 * gap_x**-2 * v
    scaled = {"x": x / root, "y": y / root, "v": exp_v / root, "w": w, "p": p / root}
    return {key: np.asarray(value, dtype) for key, value in scaled.items()}


def exact(array):
    return [[mp.mpf(float(a)) for a in row] for row in array]


@functools.cache
def computed(dtype, dim, c):
    """Inputs, and the values of all functions on them, from one compilation for each dtype and D."""
    arguments = cases(dtype, dim, c)
    values = evaluate({k: jnp.asarray(v) for k, v in arguments.items()}, jnp.asarray(c, dtype))
    return arguments, {k: np.asarray(v) for k, v in values.items()}


def errors(name, dtype, dim, c):
    """The error of each case, in units of what one ulp of the inputs does to the exact result."""
    arguments, values = computed(dtype, dim, c)
    letters, oracle, _ = FUNCTIONS[name]
    c, eps = mp.mpf(float(np.asarray(c, dtype))), float(jnp.finfo(dtype).eps)
    signs = np.random.default_rng(1).choice([-1, 1], size=(3, len(letters), dim))
    inputs = list(zip(*(exact(arguments[a]) for a in letters), strict=True))
    value = exact(values[name].reshape(len(inputs), -1))
    out = []
    for case, computed_value in zip(inputs, value, strict=True):
        expected = oracle(*case, c)
        unit = eps * norm(expected)
        for sign in signs:
            nearby = [
                [a + eps * norm(x) * int(b) for a, b in zip(x, s, strict=True)]
                for x, s in zip(case, sign, strict=True)
            ]
            moved = oracle(*nearby, c)
            unit = max(unit, norm([a - b for a, b in zip(moved, expected, strict=True)]))
        error = norm([a - b for a, b in zip(computed_value, expected, strict=True)])
        out.append(float(error / unit) if error else 0.0)
    return np.array(out)


@pytest.mark.parametrize(("dim", "c"), [(2, 1.0), (3, 1.0), (5, 1.0), (5, 0.16), (2, 2.5)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_textbook_to_the_last_digits_the_inputs_hold(name, dim, c, dtype):
    error = errors(name, dtype, dim, c)
    assert np.all(error < TOLERANCE), (int(error.argmax()), error.max())


@jax.jit
def distances(x, y, c):
    return geometry.distance(x, y, c)


@pytest.mark.parametrize("c", [1.0, 0.16, 2.5])
def test_distance_keeps_its_relative_accuracy_far_from_the_origin(c, dtype):
    """Relative 1e-9 out to d = 24 in float64, 1e-3 out to d = 12 in float32 (docs/model.md, section 1)."""
    reach, tolerance = (24.0, 1e-9) if dtype == jnp.float64 else (12.0, 1e-3)
    rng = np.random.default_rng(0)
    radius = np.tanh(np.linspace(0.02, 1.0, 40)[:, None] * reach / 4)
    u, v = directions(rng, 40, 3), directions(rng, 40, 3)
    x = np.concatenate([radius * u] * 4)
    y = np.concatenate(
        [
            -radius * u,  # the far end: d = reach
            radius[::-1] * v,
            radius * u + 1e-3 * (1 - radius**2) * v,  # close by in the metric
            radius * u * (1 - 3e-7),  # close by in the coordinates
        ]
    )
    y *= np.minimum(1.0, np.tanh(reach / 4) / np.linalg.norm(y, axis=-1, keepdims=True))
    x, y = (np.asarray(a / np.sqrt(c), dtype) for a in (x, y))
    value = np.asarray(distances(jnp.asarray(x), jnp.asarray(y), jnp.asarray(c, dtype)), float)
    exact_c = mp.mpf(float(np.asarray(c, dtype)))
    pairs = zip(exact(x), exact(y), strict=True)
    expected = np.array([float(dist(a, b, exact_c)[0]) for a, b in pairs])
    assert np.sqrt(c) * expected.max() > reach - 1e-2
    np.testing.assert_allclose(value, expected, rtol=tolerance)
