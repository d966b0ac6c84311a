"""The exact sub-flows of which the splitting solvers are made: kick and rotation (B), thermostat (O).

The third, A, is [`gyrax.geometry.geodesic_flow`][].
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import Point
from gyrax.dynamics.rotation import Momentum, cayley_rotate
from gyrax.dynamics.terms import Forces, Scalar
from gyrax.geometry import conformal_factor
from gyrax.geometry.safe import safe_sqrt


def kick_flow(
    z: Point, p: Momentum, forces: Forces, t: Scalar, *, beta: Scalar, c: Scalar = 1.0
) -> Momentum:
    """B for a time `t`: half kick, rotation by the Cayley transform of (tβ/2)λ⁻²F, half kick."""
    t = jnp.asarray(t, p.dtype)
    half = 0.5 * t * jnp.asarray(forces.kick, p.dtype)
    if forces.field is None:
        return p - 2.0 * half
    strength = jnp.asarray(0.5 * beta / conformal_factor(z, c) ** 2, p.dtype)
    return cayley_rotate(t * strength * jnp.asarray(forces.field, p.dtype), p - half) - half


def thermostat_flow(
    z: Point,
    p: Momentum,
    increment: Float[Array, " D"] | Float[Array, ""],
    t: Scalar,
    *,
    friction: Scalar,
    temperature: Scalar,
    c: Scalar = 1.0,
) -> Momentum:
    """O for a time `t`: the Ornstein–Uhlenbeck flow p ← e^{−γt}p + sqrt((1 − e^{−2γt})T/t) λ ΔW.

    ΔW is the Brownian `increment` over the stage, so that a path which can be refined gives strong
    convergence. Backwards (t < 0, ΔW of the opposite sign) it is the inverse of the forward flow.
    γ = 0 and t = 0 leave p as it is.
    """
    decay = friction * jnp.asarray(t, p.dtype)
    strength = jnp.asarray(2.0 * friction * temperature, p.dtype)
    strength = strength * _decay_ratio(2.0 * jnp.asarray(decay, p.dtype))
    noise = safe_sqrt(strength) * conformal_factor(z, c) * increment
    return jnp.asarray(jnp.exp(-decay) * p + noise, p.dtype)


def _decay_ratio(x: Float[Array, ""]) -> Float[Array, ""]:
    """(1 − e^{−x})/x, which is one at x = 0, where its derivative is −½."""
    small = jnp.abs(x) < jnp.finfo(x.dtype).eps ** 0.5
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1.0 - 0.5 * x, -jnp.expm1(-safe) / safe)
