"""A network that sees its input through waves, and so can change fast where the input changes little."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.nn.frozen import Frozen

LOWEST, HIGHEST = 0.15, 3.0
"""Cycles over a change of the input by one: of standardised features, by a standard deviation."""


class WaveNetwork(eqx.Module):
    """Two hidden layers over x and the sines and cosines of random projections of it.

    Random Fourier features (Tancik et al. 2020), their frequencies log-uniform, their directions uniform.
    The first weights of a wave are scaled by one over its frequency: the network starts smooth, and can
    still learn to tear neighbours apart, such as the two sides of a wall. With all frequencies at full
    weight it starts crumpled, and stays so.

    **Fields:** `frequencies`, in cycles along each input, shape `(waves, inputs)`; `network`, of those and x.
    """

    frequencies: Frozen
    network: eqx.nn.MLP

    @classmethod
    def create(
        cls, inputs: int, outputs: int, hidden: int, waves: int, *, scale: float, key: PRNGKey
    ) -> "WaveNetwork":
        """A network whose output is about `scale` in size at first."""
        sizes, directions, weights = jr.split(key, 3)
        ratio = HIGHEST / LOWEST
        cycles = LOWEST * ratio ** jr.uniform(sizes, (waves,))
        ways = jr.normal(directions, (waves, inputs))
        ways = ways / jnp.linalg.norm(ways, axis=1, keepdims=True)
        network = eqx.nn.MLP(2 * waves + inputs, outputs, hidden, 2, jax.nn.gelu, key=weights)
        damped = jnp.tile(LOWEST / cycles, 2)
        columns = jnp.concatenate([damped, jnp.full(inputs, (waves / 4) ** 0.5)])
        first, last = network.layers[0].weight, network.layers[-1]
        changed = 3**0.5 * first * columns, jax.tree.map(lambda w: scale * w, last)
        network = eqx.tree_at(lambda n: (n.layers[0].weight, n.layers[-1]), network, changed)
        return cls(Frozen(cycles[:, None] * ways), network)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The outputs of one input, shape `(inputs,)`."""
        phase = 2.0 * jnp.pi * (self.frequencies.value @ x)
        return self.network(jnp.concatenate([jnp.sin(phase), jnp.cos(phase), x]))
