r"""The Poincaré ball of curvature −c as pure functions; the coordinate axis is last, the rest broadcasts.

Points z satisfy c‖z‖² < 1; the metric is g(z) = λ(z)² I with λ = 2/(1 − c‖z‖²).

The textbook Möbius formulas subtract nearly equal numbers when points are near the boundary. All of
those below are written in the chord s = x + y (or y − x) through the identity

    1 + 2c⟨x,y⟩ + c²‖x‖²‖y‖² = c‖s‖² + (1 − c‖x‖²)(1 − c‖y‖²),

whose terms are positive, so that nothing is lost beyond what the coordinates themselves hold.

Source: A. Ungar, *Analytic Hyperbolic Geometry*; Ganea et al. 2018, *Hyperbolic Neural Networks*.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from gyrax._types import Batched, Covector, Point, Scalar, Tangent
from gyrax.geometry.safe import asinh_squared, asinhc, eps, safe_norm, sech2, tanhc


def _dot(x: Array, y: Array) -> Array:
    return jnp.sum(x * y, axis=-1, keepdims=True)


def _gap(z: Array, c: Scalar) -> Array:
    """1 − c‖z‖², kept positive for a point that rounding has put on the boundary."""
    return jnp.maximum(1.0 - c * _dot(z, z), eps(z))


def conformal_factor(z: Point, c: Scalar = 1.0) -> Batched:
    """The conformal factor λ(z) = 2/(1 − c‖z‖²). Shapes: `(..., D)` to `(...)`."""
    return (2.0 / _gap(z, c))[..., 0]


def metric(z: Point, c: Scalar = 1.0) -> Float[Array, "*batch D D"]:
    """The metric tensor G(z) = λ² I. Shapes: `(..., D)` to `(..., D, D)`."""
    return (conformal_factor(z, c) ** 2)[..., None, None] * jnp.eye(z.shape[-1], dtype=z.dtype)


def inverse_metric(z: Point, c: Scalar = 1.0) -> Float[Array, "*batch D D"]:
    """The inverse metric tensor G⁻¹(z) = λ⁻² I. Shapes: `(..., D)` to `(..., D, D)`."""
    return (conformal_factor(z, c) ** -2)[..., None, None] * jnp.eye(z.shape[-1], dtype=z.dtype)


def temperature(z: Point, d_k: int, c: Scalar = 1.0) -> Batched:
    """The attention temperature τ(z) = sqrt(d_k)/λ(z). Shapes: `(..., D)` to `(...)`.

    Source: docs/model.md, section 1.
    """
    return d_k**0.5 / conformal_factor(z, c)


def flat(z: Point, v: Tangent, c: Scalar = 1.0) -> Covector:
    """Lower the index of a tangent vector at `z`: the covector p = λ² v.

    Shapes: `z` and `v` are `(..., D)`, and so is the result.
    """
    return conformal_factor(z, c)[..., None] ** 2 * v


def sharp(z: Point, p: Covector, c: Scalar = 1.0) -> Tangent:
    """Raise the index of a covector at `z`: the tangent vector v = λ⁻² p.

    Shapes: `z` and `p` are `(..., D)`, and so is the result.
    """
    return p / conformal_factor(z, c)[..., None] ** 2


def christoffel(z: Point, v: Tangent, c: Scalar = 1.0) -> Tangent:
    """The contraction Γᵏᵢⱼ vⁱ vʲ = cλ(2⟨z,v⟩v − ‖v‖²z), in O(D); geodesics obey z̈ = −Γ(ż, ż).

    Shapes: `z` and the tangent `v` are `(..., D)`, and so is the result.
    """
    scale = c * conformal_factor(z, c)[..., None]
    return scale * (2.0 * _dot(z, v) * v - _dot(v, v) * z)


def project(z: Point, c: Scalar = 1.0) -> Point:
    """Pull `z` back inside the ball, to the largest radius that its dtype can hold.

    That is (1 − 8 eps)/√c: a distance from the origin of 34 in float64 and 14 in float32. Shapes:
    `(..., D)` to `(..., D)`.
    """
    limit = (1.0 - 8.0 * eps(z)) / jnp.sqrt(jnp.asarray(c, z.dtype))
    radius = safe_norm(z)[..., None]
    outside = radius > limit
    return jnp.where(outside, z * (limit / jnp.where(outside, radius, 1.0)), z)


def mobius_add(x: Point, y: Point, c: Scalar = 1.0) -> Point:
    """Möbius addition x ⊕ y, the left translation of `y` by `x`.

    Shapes: `x` and `y` are `(..., D)`, and so is the result.
    """
    return _added(x, _chord(x, y, _gap(y, c), c))


class _Chord(NamedTuple):
    """What x ⊕ y and gyr[x, y] are made of: s = x + y, c‖s‖², and the gaps of x and y."""

    s: Array
    s2: Array
    gap_x: Array
    gap_y: Array


def _chord(x: Array, y: Array, gap_y: Array, c: Scalar, gap_x: Array | None = None) -> _Chord:
    s = x + y
    return _Chord(s, c * _dot(s, s), _gap(x, c) if gap_x is None else gap_x, gap_y)


def _added(x: Array, chord: _Chord) -> Array:
    s, s2, gap_x, gap_y = chord
    return (s2 * x + gap_x * s) * (1.0 / (s2 + gap_x * gap_y))


def translate(x: Point, z: Point, w: Tangent, c: Scalar = 1.0) -> tuple[Point, Tangent]:
    """The left translation by `x`: the point x ⊕ z, and the vector `w` at `z` carried there along.

    `w` and its image are in the orthonormal frames (λv of a tangent vector, p/λ of a covector), where
    the differential is a rotation: gyr[x, z], because L_x L_z = L_{x⊕z} gyr[x, z]. Shapes: all are
    `(..., D)`.
    """
    chord = _chord(x, z, _gap(z, c), c)
    return project(_added(x, chord), c), _gyration(x, w, chord, c)


def gyration(u: Point, v: Point, w: Tangent, c: Scalar = 1.0) -> Tangent:
    """Gyration gyr[u, v]w: the rotation, in the plane of `u` and `v`, by which ⊕ fails to associate.

    With Ω w = u⟨v,w⟩ − v⟨u,w⟩ and α = 1 + c⟨u,v⟩ it is 1 + 2c(αΩ + cΩ²)/(α² + c²|u∧v|²). Shapes: all
    are `(..., D)`.
    """
    return _gyration(u, w, _chord(u, v, _gap(v, c), c), c)


def _gyration(u: Array, w: Array, chord: _Chord, c: Scalar) -> Array:
    s, s2, gap_u, gap_v = chord
    alpha = 0.5 * (gap_u + gap_v + s2)

    def wedge(x: Array) -> Array:
        return u * _dot(s, x) - s * _dot(u, x)

    first = wedge(w)
    # |u∧v|² from the same Ω: the norm is then kept to rounding, however the parts are rounded.
    area = jnp.maximum(-_dot(s, wedge(u)), 0.0)
    scale = 2.0 * c / (alpha**2 + c**2 * area)
    return w + scale * (alpha * first + c * wedge(first))


def distance(x: Point, y: Point, c: Scalar = 1.0) -> Batched:
    """Geodesic distance, in the arsinh form, which does not saturate; smooth away from x = y.

    d = (2/√c) arsinh(√c‖x − y‖ / sqrt((1 − c‖x‖²)(1 − c‖y‖²))). Its gradient at x = y is zero. Shapes:
    `x` and `y` are `(..., D)`, the result is `(...)`.
    """
    root = jnp.sqrt(jnp.asarray(c, x.dtype))
    product = (_gap(x, c) * _gap(y, c))[..., 0]
    return 2.0 / root * jnp.arcsinh(root * safe_norm(x - y) / jnp.sqrt(product))


def squared_distance(x: Point, y: Point, c: Scalar = 1.0) -> Batched:
    """d(x, y)², smooth everywhere: at x = y its gradient is zero and its Hessian 2λ².

    Shapes: `x` and `y` are `(..., D)`, the result is `(...)`.
    """
    square = (c * _dot(x - y, x - y) / (_gap(x, c) * _gap(y, c)))[..., 0]
    return 4.0 / c * asinh_squared(square)


def exp_map(z: Point, v: Tangent, c: Scalar = 1.0) -> Point:
    """exp_z(v): the point reached from `z` along the geodesic of initial velocity `v` in unit time.

    Shapes: `z` and the tangent `v` are `(..., D)`, and so is the result.
    """
    y, _ = _translation(z, v, _gap(z, c), c)
    return project(y, c)


def _translation(z: Array, v: Array, gap: Array, c: Scalar) -> tuple[Array, _Chord]:
    """exp_z(v) = z ⊕ w, and the chord of z and w, from which the transport follows."""
    half = (1.0 / gap) * v
    square = c * _dot(half, half)
    chord = _chord(z, tanhc(square) * half, sech2(square), c, gap)
    return _added(z, chord), chord


def log_map(z: Point, y: Point, c: Scalar = 1.0) -> Tangent:
    """log_z(y): the initial velocity at `z` of the geodesic that reaches `y` in unit time.

    Shapes: `z` and `y` are `(..., D)`, and so is the tangent that it returns.
    """
    s = y - z
    s2 = c * _dot(s, s)
    gap_z, gap_y = _gap(z, c), _gap(y, c)
    square = s2 / (gap_z * gap_y)
    return asinhc(square) / jnp.sqrt(1.0 + square) * (gap_z * s - s2 * z) / gap_y


def geodesic(x: Point, y: Point, t: float | int | Batched, c: Scalar = 1.0) -> Point:
    """The point a fraction `t` of the way from `x` to `y` along their geodesic.

    Shapes: `x` and `y` are `(..., D)`, `t` is a number or `(...)`.
    """
    return exp_map(x, jnp.asarray(t, x.dtype)[..., None] * log_map(x, y, c), c)


def parallel_transport(v: Tangent, x: Point, y: Point, c: Scalar = 1.0) -> Tangent:
    """Transport the tangent vector `v` from `x` to `y` along their geodesic, exactly.

    (λ(x)/λ(y)) gyr[y, −x]v: an isometry of the metric. A covector is transported as its `sharp`.
    Shapes: all are `(..., D)`.
    """
    return transport_scale(x, y, c)[..., None] * gyration(y, -x, v, c)


def transport_scale(x: Point, y: Point, c: Scalar = 1.0) -> Batched:
    """λ(x)/λ(y): the length part of the transport from `x` to `y` (all of it on radial geodesics).

    Shapes: `x` and `y` are `(..., D)`, the result is `(...)`.
    """
    return (_gap(y, c) / _gap(x, c))[..., 0]


def geodesic_flow(
    z: Point, p: Covector, t: float | int | Batched, c: Scalar = 1.0
) -> tuple[Point, Covector]:
    """Free flight for a time `t` under H = ½λ⁻²‖p‖², exactly.

    It conserves ‖p‖/λ to the rounding of λ itself, which is λ·eps where 1 − c‖z‖² is small.

    z′ = exp_z(tλ⁻²p), and p is carried along by parallel transport (docs/model.md, section 3). Shapes:
    `z` and the covector `p` are `(..., D)`, `t` is a number or `(...)`.
    """
    gap = _gap(z, c)
    v = jnp.asarray(t, z.dtype)[..., None] * (0.25 * gap**2) * p
    y, chord = _translation(z, v, gap, c)
    y = project(y, c)
    # gyr[z ⊕ w, −z] = gyr[z, w]: the rotation is that of the translation just made.
    return y, (gap / _gap(y, c)) * _gyration(z, p, chord, c)


def frechet_mean(
    points: Float[Array, "*batch N D"],
    weights: Float[Array, "*batch N"],
    *,
    steps: int = 32,
    c: Scalar = 1.0,
) -> Point:
    """Weighted Fréchet (Karcher) mean over the axis before the last, by `steps` of its fixed point.

    It starts at the origin, so `steps=1` is the log/exp barycentre exp₀(Σ wₖ log₀ zₖ). `weights` are
    taken as they are; give them summing to one. Shapes: `points` are `(..., N, D)`, `weights` `(..., N)`,
    the mean `(..., D)`.
    """

    def step(_: ArrayLike, mean: Array) -> Array:
        tangent = jnp.sum(weights[..., None] * log_map(mean[..., None, :], points, c), axis=-2)
        return exp_map(mean, tangent, c)

    origin = jnp.zeros_like(points[..., 0, :])
    return step(0, origin) if steps == 1 else jax.lax.fori_loop(0, steps, step, origin)
