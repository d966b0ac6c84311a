"""A gated recurrent unit in the tangent space at the origin."""

from collections.abc import Callable
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax._types import PRNGKey
from gyrax.evaluation.baselines.network import AbstractNetwork, linear, width_for
from gyrax.evaluation.baselines.tangent import exp_origin, log_origin
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window


class Gru(AbstractNetwork):
    """A gated recurrent unit that reads (v, velocity, action) and predicts the next increment of v.

    Its state starts at zero and reads the earlier context points first, with zero for the actions
    and the velocity that no forecast here is given.
    """

    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear
    c: float = eqx.field(static=True)

    @classmethod
    def create(cls, dim: int, actions: int, width: int, *, c: float, key: PRNGKey) -> "Gru":
        """A unit of the given state width for points of `dim` coordinates."""
        cell, head = jr.split(key)
        unit = eqx.nn.GRUCell(2 * dim + actions, width, key=cell)
        return cls(unit, linear(width, dim, head, small=True), c)

    @classmethod
    def of_size(cls, count: int, dim: int, actions: int, *, c: float) -> Callable[[PRNGKey], "Gru"]:
        """How to make a GRU of about `count` parameters from a key."""
        size = lambda w: 3 * w * (2 * dim + actions + w + 1) + w + (w + 1) * dim
        width = width_for(size, count)
        return lambda key: cls.create(dim, actions, width, c=c, key=key)

    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """The points of one window; chart weights are not used, and there is no noise."""
        known = log_origin(window.context, self.c)
        none = jnp.zeros_like(window.actions[0])
        velocity = jnp.zeros_like(known[0])
        state = jnp.zeros(self.cell.hidden_size, known.dtype)
        for before, after in pairwise(known):
            state = self.cell(jnp.concatenate([before, velocity, none]), state)
            velocity = after - before

        def step(carry: tuple, action: Array) -> tuple:
            v, velocity, state = carry
            state = self.cell(jnp.concatenate([v, velocity, action]), state)
            increment = self.head(state)
            return (v + increment, increment, state), v + increment

        _, tangent = jax.lax.scan(step, (known[-1], velocity, state), window.actions)
        return Rollout(exp_origin(tangent, self.c))
