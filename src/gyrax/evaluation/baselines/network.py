"""What the ordinary networks share.

They work on v = log₀ z, move it by an increment a frame, and answer with exp₀ v. Their last layer
starts small, as the world model's output heads do, so that they start at standing still.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from gyrax._types import PRNGKey
from gyrax.model.forecaster import WORLD_MODEL, AbstractForecaster
from gyrax.model.window import Window
from gyrax.nn.frozen import grouped

SMALL = 0.01


class AbstractNetwork(AbstractForecaster):
    """A network: all of it trains at the world model's rate, without noise or anything to regress."""

    @property
    def is_stochastic(self) -> bool:
        """Never."""
        return False

    def groups(self) -> Any:
        """All of it, in the world model's stead."""
        return grouped(self, WORLD_MODEL)

    def regressed(self, windows: Window) -> "AbstractNetwork":
        """As it is."""
        del windows
        return self


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


def linear(inputs: int, outputs: int, key: PRNGKey, *, small: bool = False) -> eqx.nn.Linear:
    """A linear layer; its first values are scaled down where `small`."""
    layer = eqx.nn.Linear(inputs, outputs, key=key)
    return jax.tree.map(lambda w: (SMALL if small else 1.0) * w, layer)
