"""Model-predictive path integral control: the mean of all candidates, weighted by their costs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.planning.planner import (
    AbstractPlanner,
    Cost,
    Found,
    finite,
    with_proposals,
)


class MPPI(AbstractPlanner):
    """MPPI (Williams et al. 2017), the weights being those of a softmax of −cost.

    **Fields:** `temperature`, in standard deviations of an iteration's costs; `deviation`, of the
    candidates about the mean, halved with every iteration.
    """

    samples: int = eqx.field(static=True, default=64)
    iterations: int = eqx.field(static=True, default=3)
    temperature: float = eqx.field(static=True, default=0.1)
    deviation: float = eqx.field(static=True, default=1.0)

    def __call__(
        self,
        cost: Cost,
        mean: Float[Array, "K A"],
        proposals: Float[Array, "P K A"],
        key: PRNGKey,
    ) -> Found:
        """The weighted mean after the last iteration."""
        shape = (self.iterations, self.samples, *mean.shape)

        def iterate(mean: Array, xs: tuple) -> tuple:
            noise, first, shrink = xs
            knots = with_proposals(mean + shrink * noise, mean, proposals, first)
            costs = finite(cost(knots))
            usable = jnp.isfinite(costs)
            spread = jnp.std(costs, where=usable)
            weights = jax.nn.softmax(
                -(costs - costs.min()) / (self.temperature * spread + 1e-9), where=usable
            )
            moved = jnp.tensordot(jnp.where(usable, weights, 0.0), knots, 1)
            return jnp.where(usable.any(), moved, mean), None

        shrink = self.deviation * 0.5 ** jnp.arange(self.iterations, dtype=mean.dtype)
        noise = jr.normal(key, shape, mean.dtype)
        first = jnp.arange(self.iterations) == 0
        mean, _ = jax.lax.scan(iterate, mean, (noise, first, shrink))
        return Found(mean, cost(mean[None])[0])
