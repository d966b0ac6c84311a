"""Poisson jumps of the state: the processes, and their probability over a step.

A process of intensity `rate(y)` fires, between its last event and time t, with hazard ∫ rate ds; the
next event is where that integral reaches a draw of Exp(1). [`gyrax.simulate`][] finds that time exactly;
a rollout in whole steps uses [`jump_probability`][].
"""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import PRNGKey, Scalar

Bound = Scalar | Callable[[Any, Any], Any] | None


class AbstractJumpProcess(eqx.Module):
    """Jumps at a rate that depends on the state: [`JumpProcess`][], and [`BallJumpProcess`][] on the ball."""

    @abc.abstractmethod
    def intensity(self, t: Scalar, y: Any, args: Any = None) -> Float[Array, ""]:
        """The rate in the state `y`, as an array."""

    @abc.abstractmethod
    def draw(self, t: Scalar, y: Any, args: Any, key: PRNGKey) -> Any:
        """The mark of an event at `t` in `y`."""

    @abc.abstractmethod
    def move(self, t: Scalar, y: Any, args: Any, mark: Any, terms: Any = None) -> Any:
        """The state after an event of the given mark."""

    @property
    @abc.abstractmethod
    def bounded(self) -> bool:
        """Whether the rate has a bound."""

    @abc.abstractmethod
    def limit(self, t: Scalar, args: Any = None) -> Float[Array, ""]:
        """The bound at `t`, as an array."""


class JumpProcess(AbstractJumpProcess):
    """Jumps of a state of any structure, to a target that may be drawn at random.

    An event at time t takes y to `apply(t, y, args, m)`, where the *mark* m, such as the index of the
    target or the size of the jump, is `mark(t, y, args, key)`: all that is random about an event.

    **Fields:**

    - `rate(t, y, args)`: the intensity, a scalar ≥ 0 per unit of time.
    - `apply(t, y, args, mark)`: the state after the event, like the one before it.
    - `mark(t, y, args, key)`: a pytree of arrays, or None where events are all alike; then `apply`
        gets the mark None.
    - `bound`: a number, or a function `bound(t, args)`, that the rate never passes, whatever the state.
        Events are then proposed at the rate of the bound and kept with probability rate/bound (thinning),
        without a search. Within a step a bound counts as the straight line between its values at the ends.
    """

    rate: Callable[[Any, Any, Any], Any]
    apply: Callable[[Any, Any, Any, Any], Any]
    mark: Callable[[Any, Any, Any, Any], Any] | None = None
    bound: Bound = None

    def intensity(self, t: Scalar, y: Any, args: Any = None) -> Float[Array, ""]:
        """The rate as an array. Raises `ValueError` where `rate` does not return a scalar."""
        return as_rate(self.rate(t, y, args), "rate(t, y, args)")

    def draw(self, t: Scalar, y: Any, args: Any, key: PRNGKey) -> Any:
        """The mark of an event at `t` in `y`."""
        return None if self.mark is None else self.mark(t, y, args, key)

    def move(self, t: Scalar, y: Any, args: Any, mark: Any, terms: Any = None) -> Any:
        """The state after an event of the given mark."""
        del terms
        return self.apply(t, y, args, mark)

    @property
    def bounded(self) -> bool:
        """Whether there is a `bound`."""
        return self.bound is not None

    def limit(self, t: Scalar, args: Any = None) -> Float[Array, ""]:
        """The bound at `t`, as an array."""
        return as_bound(self.bound, t, args)


def as_rate(value: Any, call: str) -> Float[Array, ""]:
    """What `call` returned, as an array; `ValueError` where that is no scalar."""
    value = jnp.asarray(value, jnp.result_type(float))
    if value.shape != ():
        raise ValueError(
            f"the jump rate returned shape {value.shape}; `{call}` must return one scalar, the total "
            "intensity of all events."
        )
    return value


def as_bound(bound: Bound, t: Scalar, args: Any) -> Float[Array, ""]:
    """The value of a bound at `t`, as an array."""
    return as_rate(bound(t, args) if callable(bound) else bound, "bound(t, args)")


def jump_probability(rate: Float[Array, "*s"], dt: Scalar) -> Float[Array, "*s"]:
    """P(at least one event) = 1 − e^{−λ dt} of a Poisson process of intensity `rate` over `dt`.

    Shapes: of `rate`, any, such as `(...)`; the result has it too.
    """
    return -jnp.expm1(-rate * dt)
