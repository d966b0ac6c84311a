"""Dropout of hidden units: one draw for a window, held over its frames."""

import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey


def keep_mask(key: PRNGKey, width: int, rate: float) -> Float[Array, " width"]:
    """1/(1 − rate) with probability 1 − rate, else 0: what multiplies the hidden units of a window.

    Source: Srivastava et al. 2014; one mask over a sequence, Gal and Ghahramani 2016.
    """
    return jr.bernoulli(key, 1.0 - rate, (width,)) / (1.0 - rate)
