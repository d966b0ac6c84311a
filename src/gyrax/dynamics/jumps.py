"""Poisson jumps of the state: their probability over a step, and how they carry the momentum."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax.dynamics.terms import PhaseState, Scalar
from gyrax.geometry import flat, sharp


def jump_probability(rate: Float[Array, "*s"], dt: Scalar) -> Float[Array, "*s"]:
    """P(at least one event) = 1 − e^{−λ dt} of a Poisson process of intensity `rate` over `dt`."""
    return -jnp.expm1(-rate * dt)


def apply_jump(
    jump: Callable[[Float[Array, " D"]], Float[Array, " D"]], y: PhaseState, c: Scalar = 1.0
) -> PhaseState:
    """Move the point by `jump` and the momentum by its differential, v ↦ (∂jump) v with v = λ⁻²p.

    For an isometry the metric norm of p, and so the kinetic energy, is unchanged.
    """
    z, v = jax.jvp(jump, (y.z,), (sharp(y.z, y.p, c),))
    return PhaseState(z, flat(z, v, c))
