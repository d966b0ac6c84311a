"""Antisymmetric matrices from the entries that determine them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def antisymmetric(entries: Float[Array, " pairs"], dim: int) -> Float[Array, "D D"]:
    """The matrix with the given D(D − 1)/2 entries above its diagonal, row by row.

    Put together from slices, since a scatter is slow on the CPU.
    """
    rows = jnp.split(entries, np.cumsum(np.arange(dim - 1, 0, -1)))
    upper = jnp.stack([jnp.pad(row, (dim - len(row), 0)) for row in rows])
    return upper - upper.T
