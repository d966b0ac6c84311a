"""The intensity of the jump process: whether a chart transition happens."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.nn.attention import CovariantAttention, FoldedAttention
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.tokenizers import ChartTokenizer


class CovariantJumpRate(eqx.Module):
    """λ(z, w) = softplus(attention from z to the chart tokens + offset) ≥ 0, per unit of model time.

    The document has no offset (zero), so that an untrained rate is log 2; a negative one makes jumps
    rare from the start. Shapes: of a point `(D,)` and chart weights `(K,)` it makes a number.

    Source: docs/model.md, section 7.
    """

    charts: ChartTokenizer
    embed: SpectralLinear
    attention: CovariantAttention
    head: SpectralLinear
    offset: Float[Array, ""]
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        charts: ChartTokenizer,
        dim: int,
        width: int,
        *,
        offset: float,
        scale: float = 1.0,
        c: float,
        key: PRNGKey,
    ) -> "CovariantJumpRate":
        """A rate over the given chart tokens."""
        embed, attention, head = jr.split(key, 3)
        return cls(
            charts,
            SpectralLinear.create(width, dim, key=embed),
            CovariantAttention.create(dim, width, scale=scale, key=attention),
            SpectralLinear.create(1, width, key=head),
            jnp.asarray(offset, float),
            c,
        )

    def fold(self) -> FoldedAttention:
        """One head over the charts."""
        return self.attention.fold(
            self.embed.matrix, self.head.matrix, charts=self.charts, c=self.c
        )

    def read(self, out: Float[Array, " 1"]) -> Float[Array, ""]:
        """The rate from the head's output."""
        return jax.nn.softplus(out[0] + self.offset)

    def __call__(self, z: Point, w: Float[Array, " K"]) -> Float[Array, ""]:
        """The rate at one point under chart weights `w`."""
        (out,), _ = self.fold()(z, jnp.zeros(0, z.dtype), w)
        return self.read(out[0])
