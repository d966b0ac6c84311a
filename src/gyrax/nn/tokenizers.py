"""Tokens that are affine in what varies from sample to sample.

An action token is aᵢwᵢ + posᵢ, at the agent's position; a chart token is wₖeₖ, at the chart's centre.
A linear map of a token is therefore made of linear maps of the embeddings, which do not vary: they
are projected once, and never per sample (see `attention.py`).
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import conformal_factor, project
from gyrax.nn.initial import normal


class ActionTokenizer(eqx.Module):
    """One token a joint: xᵢ = aᵢ wᵢ + posᵢ, placed where the agent is.

    **Fields:** `weight`, `position`, each of shape `(A, d)`.
    """

    weight: Float[Array, "A d"]
    position: Float[Array, "A d"]

    @classmethod
    def create(cls, actions: int, width: int, *, scale: float, key: PRNGKey) -> "ActionTokenizer":
        """Embeddings drawn from a normal of standard deviation `scale`."""
        first, second = jr.split(key)
        return cls(normal(first, (actions, width), scale), normal(second, (actions, width), scale))

    def __call__(
        self, action: Float[Array, " A"], z: Point
    ) -> tuple[Float[Array, "A d"], Float[Array, "A D"]]:
        """The tokens of one action and their positions, all at `z`."""
        x = action[:, None] * self.weight + self.position
        return x, jnp.broadcast_to(z, (x.shape[0], z.shape[-1]))


class ChartTokenizer(eqx.Module):
    """One token a chart: xₖ = wₖ eₖ, placed at the chart's centre.

    **Fields:** `embedding`, shape `(K, d)`; `center`, raw, shape `(K, D)`; `gated`: False leaves out
    the factor wₖ (then the tokens say which charts there are, not where the agent is).
    """

    embedding: Float[Array, "K d"]
    center: Float[Array, "K D"]
    gated: bool = eqx.field(static=True, default=True)
    c: float = eqx.field(static=True, default=1.0)

    @classmethod
    def create(
        cls,
        centers: Float[Array, "K D"],
        width: int,
        *,
        scale: float,
        gated: bool,
        c: float,
        key: PRNGKey,
    ) -> "ChartTokenizer":
        """Embeddings drawn from a normal of standard deviation `scale`, at the given centres."""
        return cls(normal(key, (centers.shape[0], width), scale), centers, gated, c)

    @property
    def points(self) -> Float[Array, "K D"]:
        """The centres, inside the ball wherever training has moved them."""
        return project(self.center, self.c)

    @property
    def scales(self) -> Float[Array, " K"]:
        """λ at each centre."""
        return conformal_factor(self.points, self.c)

    def gains(self, weights: Float[Array, " K"]) -> Float[Array, " K"]:
        """What multiplies each embedding: the chart weights, or one."""
        return weights if self.gated else jnp.ones_like(weights)

    def __call__(
        self, weights: Float[Array, " K"]
    ) -> tuple[Float[Array, "K d"], Float[Array, "K D"]]:
        """The tokens of one chart assignment and their positions."""
        return self.gains(weights)[:, None] * self.embedding, self.points
