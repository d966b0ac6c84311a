"""Vector quantisation inside each chart."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from gyrax._types import PRNGKey
from gyrax.atlas.centers import spread_codes
from gyrax.geometry import (
    conformal_factor,
    exp_map,
    frechet_mean,
    log_map,
    mobius_add,
    project,
)
from gyrax.nn.gated import NormGatedGELU
from gyrax.nn.initial import generator, on_device
from gyrax.nn.spectral import SpectralLinear

NUISANCE_BUNDLES = 4
BUNDLE = 8
COMMITMENT = 0.25


class Quantised(eqx.Module):
    """One quantised point: code numbers, the straight-through code, nuisance and texture.

    **Fields:** `index`, the code of every chart; `z_q`, a point; `nuisance`, `texture`, tangents at
    the origin; `charts`, what each chart alone would say the point is; `loss`.
    """

    index: Int[Array, " K"]
    z_q: Float[Array, " D"]
    nuisance: Float[Array, " D"]
    texture: Float[Array, " D"]
    charts: Float[Array, "K D"]
    loss: Float[Array, ""]


def nearest(z: Float[Array, " D"], codes: Float[Array, "K N D"], c: float) -> Int[Array, " K"]:
    """The nearest code of every chart, through ‖z − code‖² λ(code), which orders codes as the distance
    does and costs neither a root nor a logarithm."""
    order = jnp.sum((z - codes) ** 2, axis=-1) * conformal_factor(codes, c)
    # Two plain minima are several times as fast on a CPU as one argmin.
    least = jnp.min(order, axis=-1, keepdims=True)
    count = codes.shape[1]
    return jnp.min(jnp.where(order <= least, jnp.arange(count), count - 1), axis=-1)


class Nuisance(eqx.Module):
    """The small network that keeps part of the quantisation residual.

    It starts as 0.84 times the identity, so that latents are continuous in time from the start: where a
    code switches, the nuisance makes up for it, and forecasts need not guess switches.
    """

    inner: SpectralLinear
    gate: NormGatedGELU
    outer: SpectralLinear

    @classmethod
    def create(cls, dim: int, *, key: PRNGKey) -> "Nuisance":
        """A network near the identity."""
        width = BUNDLE * max(NUISANCE_BUNDLES, -(-dim // BUNDLE))
        embed = on_device(np.linalg.qr(generator(key).standard_normal((width, dim)))[0])
        gate = NormGatedGELU(width, BUNDLE)
        gate = eqx.tree_at(lambda g: g.bias, gate, jnp.ones_like(gate.bias))
        return cls(SpectralLinear(embed), gate, SpectralLinear(embed.T))

    def __call__(self, residual: Float[Array, " D"]) -> Float[Array, " D"]:
        """What is kept of a residual."""
        return self.outer(self.gate(self.inner(residual)))


class Codebook(eqx.Module):
    """`N` codes per chart, and what is kept of the quantisation residual.

    The nuisance of a chart is an isotropic network of log₀((−code) ⊕ v_local); the texture is the
    rest of that residual. Without a network the nuisance is all of it.
    """

    code: Float[Array, "K N D"]
    network: Nuisance | None
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, charts: int, codes: int, dim: int, *, whole: bool, c: float, key: PRNGKey
    ) -> "Codebook":
        """Codes spread at random at radius 0.15 to 0.3; the residual is kept `whole`, or by a network."""
        place, frame = jr.split(key)
        network = None if whole else Nuisance.create(dim, key=frame)
        return cls(spread_codes(charts, codes, dim, c=c, key=place), network, c)

    @property
    def codes(self) -> Float[Array, "K N D"]:
        """The codes, inside the ball."""
        return project(self.code, self.c)

    def __call__(self, local: Float[Array, " D"], w: Float[Array, " K"]) -> Quantised:
        """Quantise one point `local`, given in its chart's frame, under chart weights `w`."""
        codes = self.codes
        origin = jnp.zeros_like(local)
        index = nearest(local, codes, self.c)
        chosen = jnp.take_along_axis(codes, index[:, None, None], axis=1)[:, 0]
        fixed = jax.lax.stop_gradient(w)
        # Codebook and commitment in tangent coordinates, where the metric at the origin is constant.
        aim, tangent = log_map(origin, chosen, self.c), log_map(origin, local, self.c)
        codebook = jnp.sum((aim - jax.lax.stop_gradient(tangent)) ** 2, axis=-1)
        commitment = jnp.sum((jax.lax.stop_gradient(aim) - tangent) ** 2, axis=-1)
        loss = jnp.sum(fixed * (codebook + COMMITMENT * commitment))

        chosen = jax.lax.stop_gradient(chosen)
        z_q = frechet_mean(chosen, w, steps=1, c=self.c)
        residual = log_map(origin, mobius_add(-chosen, local, self.c), self.c)
        kept = residual if self.network is None else jax.vmap(self.network)(residual)
        charts = mobius_add(chosen, exp_map(origin, kept, self.c), self.c)
        return Quantised(
            index,
            local + jax.lax.stop_gradient(z_q - local),
            w @ kept,
            w @ (residual - kept),
            charts,
            loss,
        )
