"""Antisymmetric matrices from the entries that determine them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def antisymmetric(entries: Float[Array, "pairs *rest"], dim: int) -> Float[Array, "D D *rest"]:
    """The matrix with the given D(D − 1)/2 entries above its diagonal, row by row; further axes go along.

    Put together from slices, since a scatter is slow on the CPU.
    """
    rows = jnp.split(entries, np.cumsum(np.arange(dim - 1, 0, -1)))
    rest = ((0, 0),) * (entries.ndim - 1)
    upper = jnp.stack([jnp.pad(row, ((dim - len(row), 0), *rest)) for row in rows])
    return upper - jnp.swapaxes(upper, 0, 1)
