"""The initial momentum."""

import equinox as eqx
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.fields.linear import SpectralLinear
from gyrax.geometry import flat


class CovariantMomentumInit(eqx.Module):
    """p₀ = λ(z₀)² W z₀: the covector of the velocity W z₀.

    Source: specification, *CovariantMomentumInit*.
    """

    linear: SpectralLinear
    c: float = eqx.field(static=True)

    @classmethod
    def create(cls, dim: int, *, c: float, key: PRNGKey) -> "CovariantMomentumInit":
        """A map of `dim` coordinates."""
        return cls(SpectralLinear.create(dim, dim, key=key), c)

    def __call__(self, z: Point) -> Float[Array, " D"]:
        """The initial momentum at one point."""
        return flat(z, self.linear(z), self.c)
