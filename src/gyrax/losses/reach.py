"""Distance that means time: latents of neighbouring frames near, all others as far as that allows.

Maximum variance unfolding (Weinberger and Saul 2004), with the bound held on average by a multiplier, as
in quasimetric reinforcement learning (Wang et al. 2023). From episodes alone, in either geometry.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from gyrax._types import PRNGKey
from gyrax.model.time_to_go import TimeToGo

LONGEST_GAP = 16
"""Frames between two that are held to be near, at most."""
TOLERANCE = 0.25
"""Root mean square of the relative excess that is allowed. Without one the latents shrink to a point."""
PUSH = 60.0
SHIFTS = 16
"""Pairs that are pushed apart, for each frame of a batch."""


class Later(NamedTuple):
    """For each frame of a batch one of its episode: the latent `gap` frames later; no frames where the
    episode ends."""

    z: Float[Array, "B D"]
    gap: Int[Array, " B"]


def draw_gaps(key: PRNGKey, left: Int[Array, " B"]) -> Int[Array, " B"]:
    """From one frame to `LONGEST_GAP`, evenly in the logarithm, or as many as are `left`."""
    drawn = jnp.exp(jr.uniform(key, left.shape) * jnp.log(LONGEST_GAP + 1.0))
    return jnp.minimum(jnp.floor(drawn).astype(left.dtype), left)


def excess(time: TimeToGo, z: Float[Array, "B D"], later: Later, c: float) -> Float[Array, ""]:
    """Mean square of how much longer than it took the way seems, relatively, less what is allowed."""
    there = later.gap > 0
    ratio = time.frames(z, later.z, c) / jnp.maximum(later.gap, 1)
    over = jnp.where(there, jax.nn.relu(ratio - 1.0) ** 2, 0.0)
    return over.sum() / jnp.maximum(there.sum(), 1) - TOLERANCE**2


def reach(time: TimeToGo, z: Float[Array, "B D"], later: Later, c: float) -> Float[Array, ""]:
    """The push apart, −log(1 + frames) of pairs of the batch, and the excess times its multiplier.

    The multiplier ascends where everything else descends: its own term is zero and has the gradient
    −excess.
    """
    shift = max(len(z) // SHIFTS, 1)
    others = jnp.stack([jnp.roll(z, shift * i + 1, axis=0) for i in range(min(SHIFTS, len(z) - 1))])
    apart = jnp.log1p(time.frames(others, later.z[None], c)).mean()
    over, still = excess(time, z, later, c), jax.lax.stop_gradient
    ascent = (time.log_multiplier - still(time.log_multiplier)) * still(over)
    return still(jnp.exp(time.log_multiplier)) * over - PUSH * apart - ascent
