"""Chart transition logits: which chart the agent is in next."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import distance, project, temperature
from gyrax.nn.attention import fold_quadratic, quadratic_features
from gyrax.nn.initial import normal
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.tokenizers import ActionTokenizer


class FoldedChartTarget(eqx.Module):
    """The chart target with its products of parameters made, ready for samples."""

    center: Float[Array, "K D"]
    quadratic: Float[Array, "K F"]
    action_gain: Float[Array, "K A"]
    action_bias: Float[Array, " K"]
    c: float = eqx.field(static=True)

    def __call__(self, z: Point, action: Float[Array, " A"]) -> Float[Array, " K"]:
        """Logits for one sample."""
        proximity = distance(z[None], self.center, self.c) / temperature(z, z.shape[-1], self.c)
        curvature = self.quadratic @ quadratic_features(z)
        return -proximity + curvature + self.action_gain @ action + self.action_bias


class CovariantChartTarget(eqx.Module):
    """ℓ_k = −d(z, c_k)/τ(z) + zᵀQ_k z + [W mean of the action tokens]_k, with d_k = D in τ.

    Not in the document: z is multiplied by `scale` wherever Q_k or v_k reads it (see
    [`ChristoffelQuery`][]), and with `linear`, the rows v_k, there is a term v_k · z.

    Source: docs/model.md, section 7.
    """

    center: Float[Array, "K D"]
    gamma: Float[Array, "K D D"]
    actions: ActionTokenizer
    head: SpectralLinear
    c: float = eqx.field(static=True)
    scale: float = eqx.field(static=True, default=1.0)
    linear: Float[Array, "K D"] | None = None

    @classmethod
    def create(
        cls,
        centers: Float[Array, "K D"],
        actions: ActionTokenizer,
        *,
        scale: float = 1.0,
        linear: bool = False,
        c: float,
        key: PRNGKey,
    ) -> "CovariantChartTarget":
        """Logits over the charts of the given centres; a linear term starts at zero."""
        gamma, head = jr.split(key)
        charts, dim = centers.shape
        return cls(
            centers,
            normal(gamma, (charts, dim, dim), 0.02 / scale**2),
            actions,
            SpectralLinear.create(charts, actions.weight.shape[1], key=head),
            c,
            scale,
            jnp.zeros_like(centers) if linear else None,
        )

    def fold(self) -> FoldedChartTarget:
        """Compose the head with the mean of the action tokens, and symmetrise the quadratic term."""
        head = self.head.matrix
        linear = jnp.zeros_like(self.center) if self.linear is None else self.scale * self.linear
        return FoldedChartTarget(
            project(self.center, self.c),
            fold_quadratic(linear, self.scale**2 * self.gamma),
            head @ self.actions.weight.T / self.actions.weight.shape[0],
            head @ jnp.mean(self.actions.position, axis=0),
            self.c,
        )

    def __call__(self, z: Point, action: Float[Array, " A"]) -> Float[Array, " K"]:
        """Logits of the next chart at one point under one action."""
        return self.fold()(z, action)
