"""The initial momentum."""

import equinox as eqx
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import conformal_factor, flat
from gyrax.nn.spectral import SpectralLinear


class CovariantMomentumInit(eqx.Module):
    """p₀ = λ(z₀)² W z₀: the covector of the velocity W z₀.

    With `orthonormal`, p₀ = λ(z₀) W z₀, whose metric norm ‖Wz₀‖ does not grow towards the boundary.
    Shapes: of a point `(D,)` it makes a covector `(D,)`.

    Source: docs/model.md, section 7.
    """

    linear: SpectralLinear
    orthonormal: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, dim: int, *, orthonormal: bool, c: float, key: PRNGKey
    ) -> "CovariantMomentumInit":
        """A map of `dim` coordinates."""
        return cls(SpectralLinear.create(dim, dim, key=key), orthonormal, c)

    def __call__(self, z: Point) -> Float[Array, " D"]:
        """The initial momentum at one point."""
        velocity = self.linear(z)
        if self.orthonormal:
            return conformal_factor(z, self.c) * velocity
        return flat(z, velocity, self.c)
