"""The control force: how the action steers."""

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import conformal_factor
from gyrax.nn.attention import CovariantAttention, FoldedAttention
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.tokenizers import ActionTokenizer, ChartTokenizer


class CovariantControl(eqx.Module):
    """u(z, a, w), a covector, by attention from z to A action tokens and K chart tokens.

    Shapes: of a point `(D,)`, an action `(A,)` and chart weights `(K,)` it makes a covector `(D,)`.

    Source: docs/model.md, section 7.
    """

    actions: ActionTokenizer
    charts: ChartTokenizer
    embed: SpectralLinear
    attention: CovariantAttention
    head: SpectralLinear
    orthonormal: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        actions: ActionTokenizer,
        charts: ChartTokenizer,
        dim: int,
        width: int,
        *,
        orthonormal: bool,
        c: float,
        key: PRNGKey,
    ) -> "CovariantControl":
        """A field over the given tokens."""
        embed, attention, head = jr.split(key, 3)
        return cls(
            actions,
            charts,
            SpectralLinear.create(width, dim, key=embed),
            CovariantAttention.create(dim, width, key=attention),
            SpectralLinear.create(dim, width, key=head),
            orthonormal,
            c,
        )

    def fold(self) -> FoldedAttention:
        """One head over actions and charts."""
        return self.attention.fold(
            self.embed.matrix, self.head.matrix, actions=self.actions, charts=self.charts, c=self.c
        )

    def read(self, z: Point, out: Float[Array, " D"]) -> Float[Array, " D"]:
        """The force from the head's output; in the orthonormal frame it is multiplied by λ."""
        return conformal_factor(z, self.c) * out if self.orthonormal else out

    def __call__(
        self, z: Point, action: Float[Array, " A"], w: Float[Array, " K"]
    ) -> Float[Array, " D"]:
        """The control force at one point under one action."""
        (out,), _ = self.fold()(z, action, w)
        return self.read(z, out[0])
