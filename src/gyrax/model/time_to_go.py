"""How long it takes from one latent to another, told by their distance."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax.geometry import distance

FIRST_MULTIPLIER = 10.0
DUAL_SPEED = 5.0
"""How many times faster than other parameters the logarithm of the multiplier moves."""


class TimeToGo(eqx.Module):
    """The scale that makes frames of geodesic distances, and the multiplier of the bound that it is
    trained under (the loss `reach`; docs/model.md, section 11).

    **Fields:** `log_frames`, the logarithm of the frames that a distance of one takes; `dual`, the
    logarithm of the multiplier over `DUAL_SPEED`. Both are numbers, of shape `()`.
    """

    log_frames: Float[Array, ""]
    dual: Float[Array, ""]

    @classmethod
    def create(cls) -> "TimeToGo":
        """A distance of one takes a frame, until the scale is started from data."""
        return cls(jnp.zeros(()), jnp.log(jnp.asarray(FIRST_MULTIPLIER)) / DUAL_SPEED)

    def started(self, distances: Float[np.ndarray, " N"]) -> "TimeToGo":
        """With the scale that makes half a frame of the median distance of neighbouring frames.

        The bound then holds at first, and the latents unfold until it is met.
        """
        median = max(float(np.median(distances)), 1e-6)
        return replace(self, log_frames=jnp.asarray(np.log(0.5 / median), self.log_frames.dtype))

    @property
    def log_multiplier(self) -> Float[Array, ""]:
        """The logarithm of the multiplier."""
        return DUAL_SPEED * self.dual

    def frames(
        self, a: Float[Array, "*#batch D"], b: Float[Array, "*#batch D"], c: float
    ) -> Float[Array, "*batch"]:
        """How many frames it takes between points `(..., D)` of the ball of curvature −c."""
        return jnp.exp(self.log_frames) * distance(a, b, c)
