"""Elementary functions that stay differentiable, and accurate, where their textbook forms do not.

Each takes the *square* of a norm, because ‖v‖² is smooth at v = 0 where ‖v‖ is not: tanh(‖v‖)/‖v‖ is
an analytic function of ‖v‖². Below a threshold the Taylor series is used, and the other branch of the
`where` is fed a harmless argument, so that its derivative is finite too.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact


def eps(x: Inexact[Array, "..."]) -> float:
    """Spacing of the dtype of `x` at one: 2⁻²³ in float32, 2⁻⁵² in float64."""
    return float(jnp.finfo(x.dtype).eps)


exact_product = partial(jnp.matmul, precision="highest")
"""The matrix product in the precision of its factors. JAX's own rounds float32 factors to 11 bits on
GPUs (TF32): a rotation would then change a norm in its fourth digit, at every step."""


def safe_norm(x: Float[Array, "*batch D"]) -> Float[Array, "*batch"]:
    """Euclidean norm over the last axis, with gradient zero (not NaN) at the origin.

    Shapes: `(..., D)` to `(...)`.
    """
    return safe_sqrt(jnp.sum(x * x, axis=-1))


def safe_sqrt(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Square root with derivative zero (not infinite) at zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def _even(
    square: Float[Array, "*s"],
    function: Callable[[Array], Array],
    series: tuple[float, ...],
) -> Float[Array, "*s"]:
    """`function(square)`, by its power series near zero."""
    threshold = eps(square) ** (1.0 / len(series))
    small = square < threshold
    taylor = jnp.polyval(jnp.asarray(series[::-1], square.dtype), jnp.where(small, square, 0.0))
    return jnp.where(small, taylor, function(jnp.where(small, 1.0, square)))


def _slope(
    square: Float[Array, "*s"],
    function: Callable[[Array], Array],
    series: tuple[float, ...],
) -> Float[Array, "*s"]:
    """`function(square)`, by the derivative of the power series near zero."""
    return _even(square, function, tuple(power * a for power, a in enumerate(series))[1:])


# Derivatives are given: those that JAX takes of the two branches of `_even` are four times as long.
_TANHC = (1.0, -1 / 3, 2 / 15, -17 / 315, 62 / 2835)
_TANHC += (-1382 / 155925, 21844 / 6081075, -929569 / 638512875)
_SECH2 = (1.0, -1.0, 2 / 3, -17 / 45, 62 / 315, -1382 / 14175)
_ASINHC = (1.0, -1 / 6, 3 / 40, -5 / 112, 35 / 1152, -63 / 2816, 231 / 13312, -143 / 10240)


@jax.custom_jvp
def tanhc(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """tanh(x)/x as a function of x²."""
    return _even(square, lambda s: jnp.tanh(jnp.sqrt(s)) * jax.lax.rsqrt(s), _TANHC)


@jax.custom_jvp
def sech2(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """sech²(x) as a function of x²: 1 − tanh² without its cancellation, and without overflow."""

    def decaying(s: Array) -> Array:
        e = jnp.exp(-2.0 * jnp.sqrt(s))
        return 4.0 * e / (1.0 + e) ** 2

    return _even(square, decaying, _SECH2)


@jax.custom_jvp
def asinhc(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """arsinh(x)/x as a function of x²."""
    return _even(square, lambda s: jnp.arcsinh(jnp.sqrt(s)) * jax.lax.rsqrt(s), _ASINHC)


@jax.custom_jvp
def asinh_squared(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """arsinh²(x) as a function of x²."""
    return square * asinhc(square) ** 2


@tanhc.defjvp
def _tanhc_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (square,), (tangent,) = primals, tangents
    closed = lambda s: (sech2(s) - tanhc(s)) / (2.0 * s)
    return tanhc(square), tangent * _slope(square, closed, _TANHC)


@sech2.defjvp
def _sech2_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (square,), (tangent,) = primals, tangents
    value = sech2(square)
    return value, -tangent * value * tanhc(square)


@asinhc.defjvp
def _asinhc_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (square,), (tangent,) = primals, tangents
    closed = lambda s: (jax.lax.rsqrt(1.0 + s) - asinhc(s)) / (2.0 * s)
    return asinhc(square), tangent * _slope(square, closed, _ASINHC)


@asinh_squared.defjvp
def _asinh_squared_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (square,), (tangent,) = primals, tangents
    root = asinhc(square)
    return square * root**2, tangent * root * jax.lax.rsqrt(1.0 + square)


def bounded(x: Float[Array, " D"], limit: float) -> Float[Array, " D"]:
    """x · tanh(‖x‖/limit)/(‖x‖/limit): its length, brought smoothly below `limit`."""
    return tanhc(jnp.sum(x * x) / limit**2) * x


def unbounded(x: Float[Array, " D"], limit: float) -> Float[Array, " D"]:
    """The vector that `bounded` brings to `x`. Lengths from 0.99 · limit on, at which that vector is 2.65
    times as long, are stretched by the same factor: a forecast may lie beyond the limit."""
    ratio = jnp.minimum(safe_norm(x) / limit, 0.99)
    return x * jnp.where(ratio < 1e-3, 1.0, jnp.arctanh(ratio) / jnp.maximum(ratio, 1e-3))
