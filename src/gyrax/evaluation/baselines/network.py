"""The ordinary networks: a residual network with a linear path, with and without memory.

They work on v = log₀ z in units of its size, as the servo force does, move it by an increment a frame,
and answer with exp₀.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.evaluation.baselines.tangent import exp_origin, log_origin
from gyrax.fields.servo import FRAMES, second_difference_map
from gyrax.model.forecaster import WORLD_MODEL, AbstractForecaster
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window
from gyrax.nn.frozen import Frozen, grouped

SMALL = 0.01
MEMORY = 64


class Network(AbstractForecaster):
    """v ← v + v̇ + (S + W)(x, 1) + f(x, m) with x = (v, v̇, action), and v̇ the increment before.

    `start`, S, is the least-squares solution and is not trained, so that weight decay of the `change` W
    draws towards regression. f has two hidden layers of one width. m is the state of a gated recurrent
    unit, `cell`, that reads the x of every frame: with it this is the GRU, without it the residual MLP.
    """

    start: Frozen
    unit: Frozen
    change: Float[Array, "D inputs"]
    layers: tuple[eqx.nn.Linear, eqx.nn.Linear, eqx.nn.Linear]
    cell: eqx.nn.GRUCell | None
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, dim: int, actions: int, width: int, memory: int = 0, *, c: float, key: PRNGKey
    ) -> "Network":
        """A network of hidden width `width` for points of `dim` coordinates, near going straight on.

        Its memory holds `memory` numbers; there is none where that is 0.
        """
        first, second, last, unit = jr.split(key, 4)
        inputs = 2 * dim + actions
        layers = (
            eqx.nn.Linear(inputs + memory, width, key=first),
            eqx.nn.Linear(width, width, key=second),
            jax.tree.map(lambda w: SMALL * w, eqx.nn.Linear(width, dim, key=last)),
        )
        cell = eqx.nn.GRUCell(inputs, memory, key=unit) if memory else None
        none = jnp.zeros((dim, inputs + 1))
        return cls(Frozen(none), Frozen(jnp.ones(())), none, layers, cell, c)

    @classmethod
    def of_size(
        cls, count: int, dim: int, actions: int, *, remembers: bool, c: float
    ) -> Callable[[PRNGKey], "Network"]:
        """How to make a network of about `count` trained parameters from a key.

        A memory has `MEMORY` numbers, or fewer where that would take more than a third of them.
        """
        inputs = 2 * dim + actions
        unit = lambda m: 3 * m * (inputs + m + 1) + m if m else 0
        memory = min(MEMORY, width_for(unit, count // 3)) if remembers else 0

        def size(w: int) -> int:
            network = (inputs + memory + 1) * w + (w + 1) * w + (w + 1) * dim
            return unit(memory) + network + (inputs + 1) * dim

        width = width_for(size, count)
        return lambda key: cls.create(dim, actions, width, memory, c=c, key=key)

    @property
    def is_stochastic(self) -> bool:
        """Never."""
        return False

    def groups(self) -> Any:
        """All of it but S, in the world model's stead."""
        return grouped(self, WORLD_MODEL)

    def regressed(self, windows: Window) -> "Network":
        """With the unit, and S, which tells the second difference of v over the first three frames of these
        windows from what the network sees at the middle one; as it is where windows have but two."""
        frames = np.concatenate([windows.context, windows.target], axis=1)[:, :FRAMES]
        if frames.shape[1] < FRAMES:
            return self
        middle = FRAMES - 1 - windows.context.shape[1]
        whole = np.asarray(windows.mask)[:, middle] > 0
        v = np.asarray(log_origin(frames[whole], self.c), np.float64)
        matrix, unit = second_difference_map(v, np.asarray(windows.actions)[whole, middle])
        dtype = self.start.value.dtype
        start, unit = (Frozen(jnp.asarray(a, dtype)) for a in (matrix, unit))
        return replace(self, start=start, unit=unit)

    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """The points of one window; chart weights are not used, and there is no noise.

        From one known point the velocity counts as zero.
        """
        unit = self.unit.value
        known = log_origin(window.context, self.c) / unit
        velocity = known[-1] - known[-2] if len(known) > 1 else jnp.zeros_like(known[-1])
        memory = jnp.zeros(0 if self.cell is None else self.cell.hidden_size, known.dtype)
        matrix = self.start.value + self.change

        def frame(carry: tuple, action: Array) -> tuple:
            v, velocity, memory = carry
            x = jnp.concatenate([v, velocity, action])
            memory = memory if self.cell is None else self.cell(x, memory)
            increment = velocity + matrix[:, :-1] @ x + matrix[:, -1] + self._rest(x, memory)
            return (v + increment, increment, memory), v + increment

        _, tangent = jax.lax.scan(frame, (known[-1], velocity, memory), window.actions)
        return Rollout(exp_origin(unit * tangent, self.c))

    def _rest(
        self, x: Float[Array, " inputs"], memory: Float[Array, " memory"]
    ) -> Float[Array, " D"]:
        """f(x, m)."""
        *hidden, last = self.layers
        y = jnp.concatenate([x, memory])
        for layer in hidden:
            y = jax.nn.gelu(layer(y))
        return last(y)


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
