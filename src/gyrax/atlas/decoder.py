"""The decoder: from a point of the ball back to a feature vector."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.atlas.codebook import BUNDLE
from gyrax.atlas.encoder import BESIDE, LARGEST_TANGENT
from gyrax.atlas.router import ChartRouter
from gyrax.geometry import log_map
from gyrax.geometry.safe import safe_sqrt, unbounded
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


def _quiet(layer: eqx.nn.Linear) -> eqx.nn.Linear:
    return jax.tree.map(lambda w: BESIDE * w, layer)


class SpectralTrunk(eqx.Module):
    """The document's: per-chart spectral maps of z, mixed by chart weights, two FiLM layers, a linear map.

    The last map is plain linear: features are standardised but unbounded, and a map of Lipschitz constant
    one from the unit ball could not reach them (docs/model.md, section 10).
    """

    chart: SpectralLinear
    chart_gate: NormGatedGELU
    first: FilmLayer
    second: FilmLayer
    last: eqx.nn.Linear

    @classmethod
    def create(
        cls, features: int, hidden: int, charts: int, dim: int, *, key: PRNGKey
    ) -> "SpectralTrunk":
        """A trunk of width `hidden` to `features` numbers."""
        keys = jr.split(key, 7)
        return cls(
            SpectralLinear.create(charts, hidden, dim, key=keys[1]),
            NormGatedGELU(hidden, BUNDLE),
            FilmLayer.create(charts, hidden, key=keys[2]),
            FilmLayer.create(charts, hidden, key=keys[3]),
            eqx.nn.Linear(hidden, features, key=keys[4]),
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
        self, z: Float[Array, " D"], tangent: Float[Array, " D"], w: Float[Array, " K"]
    ) -> Float[Array, " F"]:
        """Features of a point of the unit ball, √c z, under chart weights `w`."""
        del tangent  # gates grow with the square of a norm; z is bounded wherever a rollout goes
        hidden = self._mixed(z, w)
        return self.last(self.second(self.first(hidden, w), w))


class PlainTrunk(eqx.Module):
    """An ordinary network of two hidden layers, of the tangent at the origin and the chart weights."""

    network: eqx.nn.MLP

    last = property(lambda self: self.network.layers[-1])

    @classmethod
    def create(
        cls, features: int, hidden: int, charts: int, dim: int, *, key: PRNGKey
    ) -> "PlainTrunk":
        """A trunk of width `hidden` to `features` numbers."""
        network = eqx.nn.MLP(dim + charts, features, hidden, 2, jax.nn.gelu, key=key)
        return cls(network)

    def __call__(
        self, z: Float[Array, " D"], tangent: Float[Array, " D"], w: Float[Array, " K"]
    ) -> Float[Array, " F"]:
        """Features of a point with this tangent under chart weights `w`."""
        del z
        return self.network(jnp.concatenate([tangent.size**0.5 * tangent, w]))


class Decoder(eqx.Module):
    """A trunk under the decoder's own chart weights, a linear skip from log₀ z, and 0.1 · W tanh(texture).

    Shapes: of a point `(D,)`, and its texture `(D,)` where known, it makes features `(F,)` and its own chart
    weights `(K,)`.

    **Fields:** `exact`, whether trunk and skip see the tangent as it was before the encoder bounded it, so
    that a linear path through the latent loses nothing.
    """

    router: ChartRouter
    trunk: SpectralTrunk | PlainTrunk
    skip: eqx.nn.Linear
    texture: eqx.nn.Linear
    exact: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        features: int,
        hidden: int,
        centers: Float[Array, "K D"],
        *,
        plain: bool,
        exact: bool,
        c: float,
        key: PRNGKey,
    ) -> "Decoder":
        """A decoder to `features` numbers, with an ordinary network where `plain`."""
        keys = jr.split(key, 7)
        charts, dim = centers.shape
        trunk = (PlainTrunk if plain else SpectralTrunk).create(
            features, hidden, charts, dim, key=key
        )
        if exact:
            trunk = eqx.tree_at(lambda t: t.last, trunk, replace_fn=_quiet)
        return cls(
            ChartRouter.create(centers, None, c=c, key=keys[0]),
            trunk,
            eqx.nn.Linear(dim, features, use_bias=False, key=keys[5]),
            eqx.nn.Linear(dim, features, use_bias=False, key=keys[6]),
            exact,
            c,
        )

    def __call__(
        self, z: Point, texture: Float[Array, " D"] | None = None
    ) -> tuple[Float[Array, " F"], Float[Array, " K"]]:
        """Features and the decoder's chart weights of one point; texture is zero where unknown."""
        w = self.router(z)
        tangent = log_map(jnp.zeros_like(z), z, self.c)
        if self.exact:
            tangent = unbounded(tangent, LARGEST_TANGENT * self.c**-0.5)
        x = self.trunk(self.c**0.5 * z, tangent, w) + self.skip(tangent)
        if texture is not None:
            x = x + TEXTURE * self.texture(jnp.tanh(texture))
        return x, w
