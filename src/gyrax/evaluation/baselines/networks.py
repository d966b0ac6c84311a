"""Two ordinary networks in the tangent space at the origin: a residual MLP and a GRU.

Both work on v = log₀ z, move it by an increment a frame, and answer with exp₀ v. Their last layer
starts small, as the world model's output heads do, so that they start at standing still.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.evaluation.baselines.windows import exp_origin, log_origin
from gyrax.model.system import parameters

START = 0.01


def parameter_count(tree: eqx.Module) -> int:
    """How many numbers of a module are trained."""
    sizes = jax.tree.map(lambda x, kept: x.size if kept else 0, tree, parameters(tree))
    return sum(jax.tree.leaves(sizes))


def width_for(count: Callable[[int], int], target: int) -> int:
    """The width at which `count(width)`, which grows, comes nearest to `target`."""
    high = 1
    while count(high) < target:
        high *= 2
    low = 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) >= target else (middle + 1, high)
    return min((max(low - 1, 1), low), key=lambda width: abs(count(width) - target))


def _linear(inputs: int, outputs: int, key: PRNGKey, scale: float = 1.0) -> eqx.nn.Linear:
    layer = eqx.nn.Linear(inputs, outputs, key=key)
    return jax.tree.map(lambda w: scale * w, layer)


class MlpForecaster(eqx.Module):
    """v ← v + f(v, velocity, action), step after step; f has two hidden layers of one width.

    The velocity is the increment before, and is left out where only one point is known.
    """

    layers: tuple[eqx.nn.Linear, eqx.nn.Linear, eqx.nn.Linear]
    with_velocity: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, dim: int, actions: int, width: int, *, context: int, c: float, key: PRNGKey
    ) -> "MlpForecaster":
        """A network of the given hidden width for points of `dim` coordinates."""
        first, second, last = jr.split(key, 3)
        inputs = dim * min(context, 2) + actions
        layers = (
            _linear(inputs, width, first),
            _linear(width, width, second),
            _linear(width, dim, last, START),
        )
        return cls(layers, context > 1, c)

    @staticmethod
    def count(dim: int, actions: int, width: int, *, context: int) -> int:
        """The parameters of such a network."""
        inputs = dim * min(context, 2) + actions
        return (inputs + 1) * width + (width + 1) * width + (width + 1) * dim

    def forecast(
        self,
        context: Float[Array, "context D"],
        weights: Float[Array, " K"],
        actions: Float[Array, "H A"],
    ) -> Float[Array, "H D"]:
        """The points of one window; chart weights are not used."""
        del weights
        known = log_origin(context, self.c)
        velocity = known[-1] - known[-2] if self.with_velocity else jnp.zeros_like(known[-1])

        def step(carry: tuple, action: Array) -> tuple:
            v, velocity = carry
            x = jnp.concatenate([v, *([velocity] if self.with_velocity else []), action])
            for layer in self.layers[:-1]:
                x = jax.nn.gelu(layer(x))
            increment = self.layers[-1](x)
            return (v + increment, increment), v + increment

        _, tangent = jax.lax.scan(step, (known[-1], velocity), actions)
        return exp_origin(tangent, self.c)


class GruForecaster(eqx.Module):
    """A gated recurrent unit that reads (v, velocity, action) and predicts the next increment of v.

    Its state starts at zero and reads the earlier context points first, with zero for the actions
    and the velocity that no forecast here is given.
    """

    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, dim: int, actions: int, width: int, *, c: float, key: PRNGKey
    ) -> "GruForecaster":
        """A unit of the given state width for points of `dim` coordinates."""
        cell, head = jr.split(key)
        return cls(
            eqx.nn.GRUCell(2 * dim + actions, width, key=cell), _linear(width, dim, head, START), c
        )

    @staticmethod
    def count(dim: int, actions: int, width: int) -> int:
        """The parameters of such a network."""
        return 3 * width * (2 * dim + actions + width + 1) + width + (width + 1) * dim

    def forecast(
        self,
        context: Float[Array, "context D"],
        weights: Float[Array, " K"],
        actions: Float[Array, "H A"],
    ) -> Float[Array, "H D"]:
        """The points of one window; chart weights are not used."""
        del weights
        known = log_origin(context, self.c)
        still = jnp.zeros_like(known[0])
        state = jnp.zeros(self.cell.hidden_size, known.dtype)
        velocity = still
        for i in range(1, len(known)):
            before, after = known[i - 1], known[i]
            state = self.cell(
                jnp.concatenate([before, velocity, jnp.zeros_like(actions[0])]), state
            )
            velocity = after - before

        def step(carry: tuple, action: Array) -> tuple:
            v, velocity, state = carry
            state = self.cell(jnp.concatenate([v, velocity, action]), state)
            increment = self.head(state)
            return (v + increment, increment, state), v + increment

        _, tangent = jax.lax.scan(step, (known[-1], velocity, state), actions)
        return exp_origin(tangent, self.c)


def matched_mlp(
    target: int, dim: int, actions: int, *, context: int, c: float
) -> Callable[[PRNGKey], MlpForecaster]:
    """How to make an MLP of about `target` parameters from a key."""
    width = width_for(lambda w: MlpForecaster.count(dim, actions, w, context=context), target)
    return lambda key: MlpForecaster.create(dim, actions, width, context=context, c=c, key=key)


def matched_gru(
    target: int, dim: int, actions: int, *, c: float
) -> Callable[[PRNGKey], GruForecaster]:
    """How to make a GRU of about `target` parameters from a key."""
    width = width_for(lambda w: GruForecaster.count(dim, actions, w), target)
    return lambda key: GruForecaster.create(dim, actions, width, c=c, key=key)
