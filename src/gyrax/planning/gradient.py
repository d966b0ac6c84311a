"""Descent through the rollout: every candidate follows its own gradient, and the best one is taken."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.planning.planner import (
    AbstractPlanner,
    Cost,
    Found,
    best_of,
    finite,
    nothing_found,
    with_proposals,
)


class Gradient(AbstractPlanner):
    """Adam from `samples` starts at once, `iterations` steps each.

    The cost must be differentiable: the simulator's is not.

    **Fields:** `rate`, in units of the knots; `clip`, the largest gradient norm of one candidate.
    """

    samples: int = eqx.field(static=True, default=16)
    iterations: int = eqx.field(static=True, default=10)
    rate: float = eqx.field(static=True, default=0.1)
    clip: float = eqx.field(static=True, default=1.0)

    def __call__(
        self,
        cost: Cost,
        mean: Float[Array, "K A"],
        proposals: Float[Array, "P K A"],
        key: PRNGKey,
    ) -> Found:
        """The plan of least cost on the way of all starts."""
        noise = jr.normal(key, (self.samples, *mean.shape), mean.dtype)
        starts = with_proposals(mean + noise, mean, proposals, jnp.asarray(True))
        adam = optax.adam(self.rate)

        def each(knots: Array) -> tuple[Array, Array]:
            costs = cost(knots)
            return jnp.sum(jnp.where(jnp.isfinite(costs), costs, 0.0)), costs

        def iterate(carry: tuple, _: None) -> tuple:
            knots, state, found = carry
            slope, costs = jax.grad(each, has_aux=True)(knots)
            found = best_of(found, knots, finite(costs))
            slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
            size = jnp.sqrt(jnp.sum(slope**2, axis=(1, 2), keepdims=True))
            slope = slope * jnp.minimum(1.0, self.clip / jnp.maximum(size, 1e-12))
            updates, state = adam.update(slope, state)
            return (optax.apply_updates(knots, updates), state, found), None

        start = starts, adam.init(starts), nothing_found(mean)
        (knots, _, found), _ = jax.lax.scan(iterate, start, length=self.iterations)
        return best_of(found, knots, finite(cost(knots)))
