"""The antisymmetric field strength that rotates the momentum."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.fields.antisymmetric import antisymmetric
from gyrax.nn.attention import CovariantAttention, FoldedAttention
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.tokenizers import ActionTokenizer


class CovariantCurl(eqx.Module):
    """F(z, a) with F + Fᵀ = 0, by attention from z to the action tokens.

    The head gives the D(D − 1)/2 entries above the diagonal, row by row; folded, it gives all D².

    Shapes: of a point `(D,)` and an action `(A,)` it makes a matrix `(D, D)`.

    Source: docs/model.md, section 7.
    """

    actions: ActionTokenizer
    embed: SpectralLinear
    attention: CovariantAttention
    head: SpectralLinear
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, actions: ActionTokenizer, dim: int, width: int, *, c: float, key: PRNGKey
    ) -> "CovariantCurl":
        """A field over the given action tokens."""
        embed, attention, head = jr.split(key, 3)
        return cls(
            actions,
            SpectralLinear.create(width, dim, key=embed),
            CovariantAttention.create(dim, width, key=attention),
            SpectralLinear.create(dim * (dim - 1) // 2, width, key=head),
            c,
        )

    def fold(self) -> FoldedAttention:
        """One head over the actions, whose output is F row by row."""
        embed, head = self.embed.matrix, self.head.matrix
        dim = embed.shape[1]
        full = antisymmetric(head, dim).reshape(dim * dim, -1)
        return self.attention.fold(embed, full, actions=self.actions, c=self.c)

    def read(self, z: Point, out: Float[Array, " square"]) -> Float[Array, "D D"]:
        """F from the folded head's output."""
        return out.reshape(z.shape[-1], -1)

    def __call__(self, z: Point, action: Float[Array, " A"]) -> Float[Array, "D D"]:
        """The field strength at one point under one action."""
        (out,), _ = self.fold()(z, action, jnp.zeros(0, z.dtype))
        return self.read(z, out[0])
