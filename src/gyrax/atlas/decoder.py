"""The decoder: from a point of the ball back to a feature vector."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.atlas.codebook import BUNDLE
from gyrax.atlas.router import ChartRouter
from gyrax.fields.gated import NormGatedGELU
from gyrax.fields.linear import SpectralLinear
from gyrax.geometry import log_map

TEXTURE = 0.1


class FilmLayer(eqx.Module):
    """Spectral layer, norm-gated, then scaled and shifted by what the active charts say (FiLM)."""

    linear: SpectralLinear
    gate: NormGatedGELU
    scale: Float[Array, "K h"]
    shift: Float[Array, "K h"]

    @classmethod
    def create(cls, charts: int, hidden: int, *, key: PRNGKey) -> "FilmLayer":
        """A layer that starts unmodulated."""
        zeros = jnp.zeros((charts, hidden))
        return cls(
            SpectralLinear.create(hidden, hidden, key=key),
            NormGatedGELU(hidden, BUNDLE),
            zeros,
            zeros,
        )

    def __call__(self, x: Float[Array, " h"], w: Float[Array, " K"]) -> Float[Array, " h"]:
        """Apply to one vector under chart weights `w`."""
        return self.gate(self.linear(x)) * (1.0 + w @ self.scale) + w @ self.shift


class Decoder(eqx.Module):
    """Per-chart spectral maps of z, mixed by the decoder's own router, two FiLM layers, a linear skip
    from log₀ z, and 0.1 · W tanh(texture).

    The last maps are plain linear: features are standardised but unbounded, and a map of Lipschitz
    constant one from the unit ball could not reach them (design §5).
    """

    router: ChartRouter
    chart: SpectralLinear
    chart_gate: NormGatedGELU
    first: FilmLayer
    second: FilmLayer
    head: eqx.nn.Linear
    skip: eqx.nn.Linear
    texture: eqx.nn.Linear
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, features: int, hidden: int, centers: Float[Array, "K D"], *, c: float, key: PRNGKey
    ) -> "Decoder":
        """A decoder to `features` numbers."""
        keys = jr.split(key, 7)
        charts, dim = centers.shape
        return cls(
            ChartRouter.create(centers, None, c=c, key=keys[0]),
            SpectralLinear.create(charts, hidden, dim, key=keys[1]),
            NormGatedGELU(hidden, BUNDLE),
            FilmLayer.create(charts, hidden, key=keys[2]),
            FilmLayer.create(charts, hidden, key=keys[3]),
            eqx.nn.Linear(hidden, features, key=keys[4]),
            eqx.nn.Linear(dim, features, use_bias=False, key=keys[5]),
            eqx.nn.Linear(dim, features, use_bias=False, key=keys[6]),
            c,
        )

    def __call__(
        self, z: Point, texture: Float[Array, " D"] | None = None
    ) -> tuple[Float[Array, " F"], Float[Array, " K"]]:
        """Features and the decoder's chart weights of one point; texture is zero where unknown."""
        w = self.router(z)
        tangent = log_map(jnp.zeros_like(z), z, self.c)
        # z, not log₀ z: gates grow with the square of a norm, and z is bounded wherever a rollout goes.
        hidden = w @ jax.vmap(self.chart_gate)(self.chart(self.c**0.5 * z))
        hidden = self.second(self.first(hidden, w), w)
        x = self.head(hidden) + self.skip(tangent)
        if texture is not None:
            x = x + TEXTURE * self.texture(jnp.tanh(texture))
        return x, w
