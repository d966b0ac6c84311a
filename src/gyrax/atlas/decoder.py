"""The decoder: from a point of the ball back to a feature vector."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.atlas.codebook import BUNDLE
from gyrax.atlas.router import ChartRouter
from gyrax.geometry import log_map
from gyrax.geometry.safe import safe_sqrt
from gyrax.nn.attention import fold_quadratic, quadratic_features
from gyrax.nn.gated import NormGatedGELU
from gyrax.nn.spectral import SpectralLinear

TEXTURE = 0.1


class FilmLayer(eqx.Module):
    """Spectral layer, norm-gated, then scaled and shifted by parameters of the active charts (FiLM)."""

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
    constant one from the unit ball could not reach them (docs/model.md, section 10).
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

    def _mixed(self, z: Float[Array, " D"], w: Float[Array, " K"]) -> Float[Array, " h"]:
        """Σ_k w_k gate(W_k z), without the features of every chart.

        The norm of a bundle of W_k z is the root of a quadratic form of z, whose matrices are made
        once per batch, and weights and gates meet the maps before z does where there are more charts
        than dimensions.
        """
        charts, bundles = self.chart.u.value.shape[0], self.chart_gate.bias.shape[0]
        maps = self.chart.matrix.reshape(charts, bundles, -1, z.shape[0])
        forms = jnp.einsum("kbid,kbie->kbde", maps, maps).reshape(-1, z.shape[0], z.shape[0])
        none = jnp.zeros(forms.shape[:-1], z.dtype)
        square = fold_quadratic(none, forms) @ quadratic_features(z)
        norms = safe_sqrt(square.reshape(charts, bundles))
        gates = w[:, None] * self.chart_gate.gates(norms)
        return jnp.einsum("kb,kbid,d->bi", gates, maps, z).reshape(-1)

    def __call__(
        self, z: Point, texture: Float[Array, " D"] | None = None
    ) -> tuple[Float[Array, " F"], Float[Array, " K"]]:
        """Features and the decoder's chart weights of one point; texture is zero where unknown."""
        w = self.router(z)
        tangent = log_map(jnp.zeros_like(z), z, self.c)
        # z, not log₀ z: gates grow with the square of a norm, and z is bounded wherever a rollout goes.
        hidden = self._mixed(self.c**0.5 * z, w)
        hidden = self.second(self.first(hidden, w), w)
        x = self.head(hidden) + self.skip(tangent)
        if texture is not None:
            x = x + TEXTURE * self.texture(jnp.tanh(texture))
        return x, w
