"""Elementary functions that stay differentiable, and accurate, where their textbook forms do not.

Each takes the *square* of a norm, because ‖v‖² is smooth at v = 0 where ‖v‖ is not: tanh(‖v‖)/‖v‖ is
an analytic function of ‖v‖². Below a threshold the Taylor series is used, and the other branch of the
`where` is fed a harmless argument, so that its derivative is finite too.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact


def eps(x: Inexact[Array, "..."]) -> float:
    """Spacing of the dtype of `x` at one: 2⁻²³ in float32, 2⁻⁵² in float64."""
    return float(jnp.finfo(x.dtype).eps)


exact_product = partial(jnp.matmul, precision="highest")
"""The matrix product in the precision of its factors. JAX's own rounds float32 factors to 11 bits on
GPUs (TF32): a rotation would then change a norm in its fourth digit, at every step."""


def safe_norm(x: Float[Array, "*batch D"]) -> Float[Array, "*batch"]:
    """Euclidean norm over the last axis, with gradient zero (not NaN) at the origin."""
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
    """`function(sqrt(square))`, by the power series in `square` near zero."""
    threshold = eps(square) ** (1.0 / len(series))
    small = square < threshold
    taylor = jnp.polyval(jnp.asarray(series[::-1], square.dtype), jnp.where(small, square, 0.0))
    return jnp.where(small, taylor, function(jnp.sqrt(jnp.where(small, 1.0, square))))


def tanhc(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """tanh(x)/x as a function of x²."""
    series = (1.0, -1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155925)
    return _even(square, lambda x: jnp.tanh(x) / x, series)


def bounded(x: Float[Array, " D"], limit: float) -> Float[Array, " D"]:
    """x · tanh(‖x‖/limit)/(‖x‖/limit): its length, brought smoothly below `limit`."""
    return tanhc(jnp.sum(x * x) / limit**2) * x


def asinhc(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """arsinh(x)/x as a function of x²."""
    series = (1.0, -1 / 6, 3 / 40, -15 / 336, 105 / 3456, -945 / 42240)
    return _even(square, lambda x: jnp.arcsinh(x) / x, series)


def sech2(square: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """sech²(x) as a function of x²: 1 − tanh² without its cancellation, and without overflow."""

    def decaying(x: ArrayLike) -> Array:
        e = jnp.exp(-2.0 * x)  # pyright: ignore[reportOperatorIssue]
        return 4.0 * e / (1.0 + e) ** 2

    series = (1.0, -1.0, 2 / 3, -17 / 45, 62 / 315, -1382 / 14175)
    return _even(square, decaying, series)
