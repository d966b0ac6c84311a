"""The cross-entropy method: sample, keep the best, fit a normal distribution to them, sample again."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.planning.noise import coloured_noise
from gyrax.planning.planner import (
    AbstractPlanner,
    Cost,
    Found,
    best_of,
    finite,
    nothing_found,
    with_proposals,
)


class CEM(AbstractPlanner):
    """The cross-entropy method (Rubinstein and Kroese 2004), or iCEM (Pinneri et al. 2020), which keeps
    elites and draws coloured noise; here with a constant number of samples, as `jax.jit` asks.

    **Fields:** `elites`, how many of the `samples` the distribution is fitted to; `kept`, how many of them
    stand among the candidates of the next iteration; `exponent`, of the noise's colour along the knots: 0
    is white; `deviation`, of the first candidates, and `least`, of later ones; `smoothing`, the part of the
    mean and deviation before that is kept.
    """

    samples: int = eqx.field(static=True, default=64)
    iterations: int = eqx.field(static=True, default=3)
    elites: int = eqx.field(static=True, default=8)
    kept: int = eqx.field(static=True, default=0)
    exponent: float = eqx.field(static=True, default=0.0)
    deviation: float = eqx.field(static=True, default=1.0)
    smoothing: float = eqx.field(static=True, default=0.1)
    least: float = eqx.field(static=True, default=0.05)

    def __call__(
        self,
        cost: Cost,
        mean: Float[Array, "K A"],
        proposals: Float[Array, "P K A"],
        key: PRNGKey,
    ) -> Found:
        """The plan of least cost among all that were tried."""
        elites = min(self.elites, self.samples)
        kept = min(self.kept, elites, max(self.samples - 2, 0))

        def iterate(carry: tuple, xs: tuple) -> tuple:
            (mean, deviation, elite, found), (key, first) = carry, xs
            noise = coloured_noise(key, (self.samples, *mean.shape), self.exponent)
            knots = mean + deviation * noise.astype(mean.dtype)
            if kept:
                knots = jnp.where(first, knots, knots.at[-kept:].set(elite[:kept]))
            knots = with_proposals(knots, mean, proposals, first)
            costs = finite(cost(knots))
            _, rows = jax.lax.top_k(-costs, elites)
            elite, keep = knots[rows], self.smoothing
            mean = (1 - keep) * elite.mean(0) + keep * mean
            deviation = jnp.maximum((1 - keep) * elite.std(0) + keep * deviation, self.least)
            return (mean, deviation, elite, best_of(found, knots, costs)), None

        none = jnp.zeros((elites, *mean.shape), mean.dtype)
        start = mean, jnp.full_like(mean, self.deviation), none, nothing_found(mean)
        draws = jr.split(key, self.iterations), jnp.arange(self.iterations) == 0
        (_, _, _, found), _ = jax.lax.scan(iterate, start, draws)
        return found
