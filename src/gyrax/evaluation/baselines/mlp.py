"""A residual MLP in the tangent space at the origin."""

from collections.abc import Callable

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


class Mlp(AbstractNetwork):
    """v ← v + f(v, velocity, action), step after step; f has two hidden layers of one width.

    The velocity is the increment before, and is left out where only one point is known.
    """

    layers: tuple[eqx.nn.Linear, eqx.nn.Linear, eqx.nn.Linear]
    with_velocity: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, dim: int, actions: int, width: int, *, context: int, c: float, key: PRNGKey
    ) -> "Mlp":
        """A network of the given hidden width for points of `dim` coordinates."""
        first, second, last = jr.split(key, 3)
        inputs = dim * min(context, 2) + actions
        layers = (
            linear(inputs, width, first),
            linear(width, width, second),
            linear(width, dim, last, small=True),
        )
        return cls(layers, context > 1, c)

    @classmethod
    def of_size(
        cls, count: int, dim: int, actions: int, *, context: int, c: float
    ) -> Callable[[PRNGKey], "Mlp"]:
        """How to make an MLP of about `count` parameters from a key."""
        inputs = dim * min(context, 2) + actions
        size = lambda width: (inputs + 1) * width + (width + 1) * width + (width + 1) * dim
        width = width_for(size, count)
        return lambda key: cls.create(dim, actions, width, context=context, c=c, key=key)

    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """The points of one window; chart weights are not used, and there is no noise."""
        known = log_origin(window.context, self.c)
        velocity = known[-1] - known[-2] if self.with_velocity else jnp.zeros_like(known[-1])

        def step(carry: tuple, action: Array) -> tuple:
            v, velocity = carry
            x = jnp.concatenate([v, *([velocity] if self.with_velocity else []), action])
            for layer in self.layers[:-1]:
                x = jax.nn.gelu(layer(x))
            increment = self.layers[-1](x)
            return (v + increment, increment), v + increment

        _, tangent = jax.lax.scan(step, (known[-1], velocity), window.actions)
        return Rollout(exp_origin(tangent, self.c))
