"""The conservative force and its potential: where the agent drifts."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import conformal_factor, distance, safe_norm
from gyrax.nn.attention import CovariantAttention, FoldedAttention
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.tokenizers import ChartTokenizer

Force = Literal["direct", "gradient"]


def drive(z: Point, c: float = 1.0) -> Float[Array, ""]:
    """U(z) = −(2/√c) artanh(√c‖z‖) = −d(0, z), the analytic outward drive."""
    return -distance(jnp.zeros_like(z), z, c)


def drive_gradient(z: Point, c: float = 1.0) -> Float[Array, " D"]:
    """∂U/∂z = −λ(z) z/‖z‖, a covector; zero at the origin, where U has a cone point."""
    radius = safe_norm(z)
    return -conformal_factor(z, c) * z / jnp.where(radius > 0, radius, 1.0)


class CovariantPotential(eqx.Module):
    """Force = α ∂U + (1 − α) f_critic + γ_risk f_risk, Φ = αU + (1 − α)V + γ_risk Ψ.

    Shapes: of a point `(D,)` and chart weights `(K,)` it makes a force, a covector `(D,)`, and the number Φ.

    Critic and risk each share attention features between their force head and their scalar head.
    `force="direct"` is the document's; `"gradient"` returns ∂Φ by one reverse pass, the only
    choice for which H = Φ + ½λ⁻²‖p‖² is conserved. `orthonormal` reads direct forces in the
    orthonormal frame: they are multiplied by λ, so that their metric size is alike everywhere.

    Source: docs/model.md, section 7.
    """

    charts: ChartTokenizer
    embed: SpectralLinear
    critic: CovariantAttention
    critic_force: SpectralLinear
    critic_value: SpectralLinear
    risk: CovariantAttention
    risk_force: SpectralLinear
    risk_value: SpectralLinear
    alpha: float = eqx.field(static=True)
    gamma_risk: float = eqx.field(static=True)
    force: Force = eqx.field(static=True)
    orthonormal: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        charts: ChartTokenizer,
        dim: int,
        width: int,
        *,
        alpha: float,
        gamma_risk: float,
        force: Force,
        orthonormal: bool,
        c: float,
        key: PRNGKey,
    ) -> "CovariantPotential":
        """A field over the given chart tokens."""
        keys = jr.split(key, 7)
        return cls(
            charts,
            SpectralLinear.create(width, dim, key=keys[0]),
            CovariantAttention.create(dim, width, key=keys[1]),
            SpectralLinear.create(dim, width, key=keys[2]),
            SpectralLinear.create(1, width, key=keys[3]),
            CovariantAttention.create(dim, width, key=keys[4]),
            SpectralLinear.create(dim, width, key=keys[5]),
            SpectralLinear.create(1, width, key=keys[6]),
            alpha,
            gamma_risk,
            force,
            orthonormal,
            c,
        )

    def fold(self) -> FoldedAttention:
        """Two heads, critic and risk, each of force and scalar."""
        pairs = (
            (self.critic, self.critic_force, self.critic_value),
            (self.risk, self.risk_force, self.risk_value),
        )
        folded = []
        for attention, force, value in pairs:
            head = jnp.concatenate([force.matrix, value.matrix])
            folded.append(attention.fold(self.embed.matrix, head, charts=self.charts, c=self.c))
        return jax.tree.map(lambda *heads: jnp.concatenate(heads), *folded)

    def read(
        self, z: Point, out: Float[Array, "2 width"]
    ) -> tuple[Float[Array, " D"], Float[Array, ""]]:
        """Direct force (covector) and Φ from the outputs of the two heads."""
        dim = z.shape[-1]
        learned = (1.0 - self.alpha) * out[0] + self.gamma_risk * out[1]
        force, phi = learned[:dim], learned[dim]
        if self.orthonormal:
            force = conformal_factor(z, self.c) * force
        if self.alpha:
            force = force + self.alpha * drive_gradient(z, self.c)
            phi = phi + self.alpha * drive(z, self.c)
        return force, phi

    def phi(self, folded: FoldedAttention, z: Point, w: Float[Array, " K"]) -> Float[Array, ""]:
        """Φ alone."""
        (out,), _ = folded(z, jnp.zeros(0, z.dtype), w)
        return self.read(z, out)[1]

    def __call__(
        self, z: Point, w: Float[Array, " K"]
    ) -> tuple[Float[Array, " D"], Float[Array, ""]]:
        """Force (a covector, to be subtracted from ṗ) and Φ at one point under chart weights `w`."""
        folded = self.fold()
        if self.force == "gradient":
            phi, force = jax.value_and_grad(lambda x: self.phi(folded, x, w))(z)
            return force, phi
        (out,), _ = folded(z, jnp.zeros(0, z.dtype), w)
        return self.read(z, out)
