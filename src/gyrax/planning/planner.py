"""What every planner is: a search for the knots of least cost, as one pure function."""

import abc
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import PRNGKey

Cost = Callable[[Float[Array, "N K A"]], Float[Array, " N"]]
"""The cost of each of N plans, given by their knots."""


class Found(NamedTuple):
    """The best plan of a search, and its cost."""

    knots: Float[Array, "K A"]
    cost: Float[Array, ""]


class AbstractPlanner(eqx.Module):
    """A search under `jax.jit` and `jax.vmap`: `samples` plans in each of `iterations`."""

    samples: eqx.AbstractVar[int]
    iterations: eqx.AbstractVar[int]

    @abc.abstractmethod
    def __call__(
        self,
        cost: Cost,
        mean: Float[Array, "K A"],
        proposals: Float[Array, "P K A"],
        key: PRNGKey,
    ) -> Found:
        """Search around `mean`, the rest of the plan before; the data's knots are of size one.

        `proposals` stand among the first candidates. A cost that is not finite counts as the greatest.
        """


def best_of(found: Found, knots: Float[Array, "N K A"], costs: Float[Array, " N"]) -> Found:
    """The better of what was found before and the best of these."""
    first = jnp.argmin(costs)
    better = costs[first] < found.cost
    return Found(
        jnp.where(better, knots[first], found.knots), jnp.where(better, costs[first], found.cost)
    )


def finite(costs: Float[Array, " N"]) -> Float[Array, " N"]:
    """With infinity for what is not a number."""
    return jnp.where(jnp.isfinite(costs), costs, jnp.inf)


def nothing_found(mean: Float[Array, "K A"]) -> Found:
    """Before the first candidates: the plan to go on with, at infinite cost."""
    return Found(mean, jnp.asarray(jnp.inf, mean.dtype))


def with_proposals(
    candidates: Float[Array, "N K A"],
    mean: Float[Array, "K A"],
    proposals: Float[Array, "P K A"],
    first: Array,
) -> Float[Array, "N K A"]:
    """The candidates with the mean itself and staying as one is in front, and, in the `first` iteration, with
    the proposals at the end."""
    candidates = candidates.at[0].set(mean)
    if len(candidates) > 1:
        candidates = candidates.at[1].set(0.0)
    count = min(len(proposals), max(len(candidates) - 2, 0))
    if count:
        filled = candidates.at[-count:].set(proposals[:count])
        candidates = jnp.where(first, filled, candidates)
    return candidates
