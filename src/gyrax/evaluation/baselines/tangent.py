"""The tangent space at the origin, in which baselines work, and distances, as compiled functions.

Run operation by operation, each operation is a program of its own, a MiB in memory.
"""

import jax
import jax.numpy as jnp

from gyrax._types import Point, Scalar, Tangent
from gyrax.geometry import distance, exp_map, log_map

distances = jax.jit(distance)


@jax.jit
def exp_origin(tangent: Tangent, c: Scalar) -> Point:
    """exp₀ of tangent vectors at the origin."""
    return exp_map(jnp.zeros_like(tangent), tangent, c)


@jax.jit
def log_origin(points: Point, c: Scalar) -> Tangent:
    """log₀ of points."""
    return log_map(jnp.zeros_like(points), points, c)
