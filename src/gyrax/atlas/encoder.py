"""The encoder: from a feature vector to a point of the ball, its charts and its code."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from gyrax._types import PRNGKey
from gyrax.atlas.codebook import BUNDLE, Codebook
from gyrax.atlas.router import ChartRouter, hard_chart
from gyrax.geometry import exp_map, frechet_mean, mobius_add, project
from gyrax.geometry.safe import bounded
from gyrax.nn.frozen import Frozen
from gyrax.nn.gated import NormGatedGELU
from gyrax.nn.initial import kaiming_uniform
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.waves import WaveNetwork

LARGEST_TANGENT = 1.5
"""Bound on √c‖log₀ v‖: a radius of 0.905, a distance of 3 from the origin."""

BESIDE = 0.01
"""Scale of the last layers that start beside a linear path."""


class Encoding(eqx.Module):
    """The encoder's output for one feature vector.

    **Fields:** `z`, the latent point, shape `(D,)`; `chart_weights`, `(K,)`; `chart`, the largest of them;
    `code`, the number of the code in each chart, `(K,)`; `local`, the point in its chart's frame, `(D,)`;
    `coordinates`, the latent point that each chart alone would give, `(K, D)`; `texture`, the part of the
    residual, a tangent at the origin `(D,)`, that the latent does not keep; `vq`, the quantisation loss.
    """

    z: Float[Array, "*batch D"]
    chart_weights: Float[Array, "*batch K"]
    chart: Int[Array, "*batch"]
    code: Int[Array, "*batch K"]
    local: Float[Array, "*batch D"]
    coordinates: Float[Array, "*batch K D"]
    texture: Float[Array, "*batch D"]
    vq: Float[Array, "*batch"]


class Encoder(eqx.Module):
    """Two gated spectral layers, the chart router, and the codebook (docs/model.md, section 10).

    Shapes: of standardised features `(F,)` it makes a point `(D,)` and what else is in an [`Encoding`][].

    The features reach the ball by exp₀ of a tangent that is bounded smoothly: near the origin that is
    a projection, but no point comes near the boundary, where λ, and with it every logit divided by
    τ = √d/λ, grows without bound.

    **Fields:** `linear`, a linear path from x to that tangent beside the layers, or None (it is not trained:
    an optimiser's steps are as large as its entries where features are many); `waves`, another network beside
    them, whose slope is not bounded, or None; `whole`, whether the latent is the point v
    itself. The document's is v as its code and its nuisance give it, without the texture; here the nuisance
    is the whole residual.
    """

    first: SpectralLinear
    first_gate: NormGatedGELU
    second: SpectralLinear
    second_gate: NormGatedGELU
    to_ball: SpectralLinear
    router: ChartRouter
    codebook: Codebook
    linear: Frozen | None
    waves: WaveNetwork | None
    whole: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        features: int,
        hidden: int,
        centers: Float[Array, "K D"],
        codes: int,
        *,
        linear: bool,
        waves: int,
        whole: bool,
        c: float,
        key: PRNGKey,
    ) -> "Encoder":
        """An encoder of `features` numbers onto the charts of the given centres, with so many `waves` or
        none; a linear path is zero."""
        keys = jr.split(key, 5)
        charts, dim = centers.shape
        to_ball = kaiming_uniform(keys[2], (dim, hidden))
        return cls(
            SpectralLinear.create(hidden, features, key=keys[0]),
            NormGatedGELU(hidden, BUNDLE),
            SpectralLinear.create(hidden, hidden, key=keys[1]),
            NormGatedGELU(hidden, BUNDLE),
            SpectralLinear(BESIDE * to_ball if linear else to_ball),
            ChartRouter.create(centers, hidden, c=c, key=keys[3]),
            Codebook.create(charts, codes, dim, whole=whole, c=c, key=keys[4]),
            Frozen(jnp.zeros((dim, features))) if linear else None,
            WaveNetwork.create(features, dim, hidden, waves, scale=BESIDE, key=jr.fold_in(key, 5))
            if waves
            else None,
            whole,
            c,
        )

    def __call__(self, x: Float[Array, " F"]) -> Encoding:
        """Encode one feature vector; batch it with `jax.vmap`."""
        features = self.first_gate(self.first(x))
        features = self.second_gate(self.second(features))
        tangent = self.to_ball(features)
        if self.linear is not None:
            tangent = tangent + self.linear.value @ x
        if self.waves is not None:
            tangent = tangent + self.waves(x)
        tangent = bounded(tangent, LARGEST_TANGENT * self.c**-0.5)
        origin = jnp.zeros_like(tangent)
        v = exp_map(origin, tangent, self.c)
        w = self.router(v, features)
        center = frechet_mean(self.router.centers, w, steps=1, c=self.c)
        local = mobius_add(-center, v, self.c)
        q = self.codebook(local, w)
        if self.whole:
            # Code and whole residual make the point up, in every chart.
            z, coordinates = v, jnp.broadcast_to(v, (w.size, v.size))
        else:
            kept = mobius_add(q.z_q, exp_map(origin, q.nuisance, self.c), self.c)
            z = project(mobius_add(center, kept, self.c), self.c)
            coordinates = project(mobius_add(center[None], q.charts, self.c), self.c)
        return Encoding(z, w, hard_chart(w), q.index, local, coordinates, q.texture, q.loss)
