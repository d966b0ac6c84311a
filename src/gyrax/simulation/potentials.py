"""The potentials that a simulation knows by name, each a function of a point of the ball."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax.fields.potential import drive
from gyrax.geometry import distance

WELL = 1.5
"""Distance of the double well's minima from the origin."""


class Potential(NamedTuple):
    """A named potential `phi(z, c)`, symmetric under z ↦ −z and about the first axis.

    `confining`: whether exp(−Φ/T) has a finite integral over the ball.
    """

    phi: Callable[[Any, Any], Any]
    formula: str
    confining: bool


def harmonic(z: Float[Array, " D"], c: float = 1.0) -> Float[Array, ""]:
    """Φ = d(0, z)²/2."""
    return 0.5 * distance(jnp.zeros_like(z), z, c) ** 2


def double_well(z: Float[Array, " D"], c: float = 1.0) -> Float[Array, ""]:
    """Φ = d(z, a)² d(z, −a)²/ρ⁴, with ±a on the first axis at the distance ρ = 1.5 from the origin.

    Along that axis, at distance x, it is the quartic (x²/ρ² − 1)²: wells of depth 1 at ±ρ.
    """
    a = jnp.zeros_like(z).at[0].set(jnp.tanh(0.5 * c**0.5 * WELL) / c**0.5)
    return (distance(z, a, c) * distance(z, -a, c) / WELL**2) ** 2


POTENTIALS = {
    "harmonic": Potential(harmonic, "d(0,z)²/2", True),
    "drive": Potential(drive, "-d(0,z)", False),
    "double-well": Potential(double_well, f"d(z,a)² d(z,-a)²/ρ⁴, d(0,±a) = ρ = {WELL}", True),
}
