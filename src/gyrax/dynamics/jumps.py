"""Poisson jumps of the state: the process, its probability over a step, and how momentum is carried.

A process of intensity `rate(z)` fires, between its last event and time t, with hazard ∫ rate ds; the
next event is where that integral reaches a draw of Exp(1). [`gyrax.simulate`][] finds that time exactly;
a rollout in whole steps uses [`jump_probability`][].
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.dynamics.terms import PhaseState, Scalar
from gyrax.geometry import flat, sharp


class JumpProcess(eqx.Module):
    """Jumps of the position at a state-dependent rate, to a target that may be drawn at random.

    An event at time t moves z to `apply(t, z, args, m)`, where the *mark* m, such as the index of the
    target, is `mark(t, z, args, key)`: all that is random about an event. Momentum is carried by the
    differential of z ↦ `apply(t, z, args, m)` at fixed m, so the mark is drawn apart from the move.

    **Fields:**

    - `rate(t, z, args)`: the intensity, a scalar ≥ 0 per unit of time.
    - `apply(t, z, args, mark)`: the point after the event, shape `(D,)`, inside the ball. Where it is
        an isometry the kinetic energy is unchanged.
    - `mark(t, z, args, key)`: a pytree of arrays, or None where events are all alike; then `apply`
        gets the mark None.
    """

    rate: Callable[[Any, Any, Any], Any]
    apply: Callable[[Any, Any, Any, Any], Any]
    mark: Callable[[Any, Any, Any, Any], Any] | None = None

    def intensity(self, t: Scalar, z: Float[Array, " D"], args: Any = None) -> Float[Array, ""]:
        """The rate as an array. Raises `ValueError` where `rate` does not return a scalar."""
        value = jnp.asarray(self.rate(t, z, args), jnp.result_type(float))
        if value.shape != ():
            raise ValueError(
                f"the jump rate returned shape {value.shape}; `rate(t, z, args)` must return one "
                "scalar, the total intensity of all events."
            )
        return value

    def draw(self, t: Scalar, z: Float[Array, " D"], args: Any, key: PRNGKey) -> Any:
        """The mark of an event at `t` in `z`."""
        return None if self.mark is None else self.mark(t, z, args, key)

    def move(self, t: Scalar, y: PhaseState, args: Any, mark: Any, c: Scalar = 1.0) -> PhaseState:
        """The state after an event of the given mark, momentum and all."""
        return apply_jump(lambda z: self.apply(t, z, args, mark), y, c)


def jump_probability(rate: Float[Array, "*s"], dt: Scalar) -> Float[Array, "*s"]:
    """P(at least one event) = 1 − e^{−λ dt} of a Poisson process of intensity `rate` over `dt`.

    Shapes: of `rate`, any, such as `(...)`; the result has it too.
    """
    return -jnp.expm1(-rate * dt)


def apply_jump(
    jump: Callable[[Float[Array, " D"]], Float[Array, " D"]], y: PhaseState, c: Scalar = 1.0
) -> PhaseState:
    """Move the point by `jump` and the momentum by its differential, v ↦ (∂jump) v with v = λ⁻²p.

    For an isometry the metric norm of p, and so the kinetic energy, is unchanged. Shapes: `jump` takes a
    point of shape `(D,)` to one; `y` is one [`PhaseState`][].
    """
    z, v = jax.jvp(jump, (y.z,), (sharp(y.z, y.p, c),))
    return PhaseState(z, flat(z, v, c))
