"""Chart transition logits: which chart the agent is in next."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import distance, project, temperature
from gyrax.nn.attention import fold_quadratic, quadratic_features
from gyrax.nn.frozen import Frozen
from gyrax.nn.initial import normal
from gyrax.nn.spectral import SpectralLinear
from gyrax.nn.tokenizers import ActionTokenizer

SMALL = 0.01


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
    `ChristoffelQuery`), and with `linear`, the rows v_k, there is a term v_k · z. `start`, S_k φ(z) over
    `quadratic_features`, is then added too. It is not trained, so that weight decay of Q_k and v_k draws
    towards it, and not towards charts that nothing tells apart.

    Shapes: of a point `(D,)` and an action `(A,)` it makes logits `(K,)`.

    Source: docs/model.md, section 7.
    """

    center: Float[Array, "K D"]
    gamma: Float[Array, "K D D"]
    actions: ActionTokenizer
    head: SpectralLinear
    c: float = eqx.field(static=True)
    scale: float = eqx.field(static=True, default=1.0)
    linear: Float[Array, "K D"] | None = None
    start: Frozen | None = None

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
        """Logits over the charts of the given centres; a linear term and its start are zero."""
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
            Frozen(jnp.zeros((charts, dim + dim * (dim + 1) // 2))) if linear else None,
        )

    def started(
        self, centers: Float[Array, "K D"], quadratic: Float[Array, "K F"]
    ) -> "CovariantChartTarget":
        """With S = `quadratic`, and nothing learned yet: the logits −d(z, c_k)/τ(z) + S_k φ(z) of a router
        over the given centres, but for a small term of the action.

        As it is where there is no start, or where one was given before.
        """
        if self.start is None or jnp.any(self.start.value):
            return self
        head = eqx.tree_at(lambda layer: layer.weight, self.head, SMALL * self.head.weight)
        return replace(
            self, center=centers, gamma=0.0 * self.gamma, head=head, start=Frozen(quadratic)
        )

    def fold(self) -> FoldedChartTarget:
        """Compose the head with the mean of the action tokens, and symmetrise the quadratic term."""
        head = self.head.matrix
        linear = jnp.zeros_like(self.center) if self.linear is None else self.scale * self.linear
        quadratic = fold_quadratic(linear, self.scale**2 * self.gamma)
        return FoldedChartTarget(
            project(self.center, self.c),
            quadratic if self.start is None else quadratic + self.start.value,
            head @ self.actions.weight.T / self.actions.weight.shape[0],
            head @ jnp.mean(self.actions.position, axis=0),
            self.c,
        )

    def __call__(self, z: Point, action: Float[Array, " A"]) -> Float[Array, " K"]:
        """Logits of the next chart at one point under one action."""
        return self.fold()(z, action)
