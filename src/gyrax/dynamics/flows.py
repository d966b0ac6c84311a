"""The exact sub-flows of which the splitting solvers are made: kick and rotation (B), thermostat (O).

The third, A, is [`gyrax.geometry.geodesic_flow`][].
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import Point
from gyrax.dynamics.terms import Forces, Scalar
from gyrax.geometry import conformal_factor
from gyrax.geometry.safe import safe_sqrt

Momentum = Float[Array, " D"]


def cayley_rotate(s: Float[Array, "D D"], p: Momentum) -> Momentum:
    """(I − S)⁻¹(I + S)p for antisymmetric S: a rotation, exact in norm for every D and size of S.

    D ≤ 3 in closed form, p + 2(S + S²)p/(1 + ‖S‖²_F/2), which is the Buneman–Boris rotation; larger D
    by a linear solve, which is always well conditioned because |I − S| ≥ 1.
    """
    if p.shape[-1] <= 3:
        first = s @ p
        return p + 2.0 / (1.0 + 0.5 * jnp.sum(s * s)) * (first + s @ first)
    return 2.0 * jnp.linalg.solve(jnp.eye(p.shape[-1], dtype=p.dtype) - s, p) - p


def kick_flow(
    z: Point, p: Momentum, forces: Forces, t: Scalar, *, beta: Scalar, c: Scalar = 1.0
) -> Momentum:
    """B for a time `t`: half kick, rotation by the Cayley transform of (tβ/2)λ⁻²F, half kick."""
    half = 0.5 * t * forces.kick
    if forces.field is None:
        return p - 2.0 * half
    generator = (0.5 * t * beta / conformal_factor(z, c) ** 2) * forces.field
    return cayley_rotate(generator, p - half) - half


def thermostat_flow(
    z: Point,
    p: Momentum,
    increment: Any,
    t: Scalar,
    *,
    friction: Scalar,
    temperature: Scalar,
    c: Scalar = 1.0,
) -> Momentum:
    """O for a time `t`: the Ornstein–Uhlenbeck flow p ← e^{−γt}p + sqrt((1 − e^{−2γt})T) λ ξ.

    ξ = ΔW/√t is read off the Brownian `increment` over the stage, so that a path which can be refined
    gives strong convergence. γ = 0 leaves p as it is.
    """
    decay = friction * jnp.asarray(t, p.dtype)
    variance = -jnp.expm1(-2.0 * decay) * temperature
    noise = safe_sqrt(variance / t) * conformal_factor(z, c) * increment
    return jnp.exp(-decay) * p + jnp.asarray(noise, p.dtype)
