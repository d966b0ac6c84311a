"""Jumps on the ball, which carry the momentum along."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import PRNGKey, Scalar
from gyrax.dynamics.jumps import AbstractJumpProcess, Bound, as_bound, as_rate
from gyrax.dynamics.solvers.base import langevin_parts
from gyrax.dynamics.terms import PhaseState
from gyrax.geometry import flat, sharp


class BallJumpProcess(AbstractJumpProcess):
    """Jumps of the position on the ball, for the terms of [`langevin_terms`][gyrax.langevin_terms].

    An event at time t moves z to `apply(t, z, args, m)`, where the *mark* m, such as the index of the
    target, is `mark(t, z, args, key)`: all that is random about an event. Momentum is carried by the
    differential of z ↦ `apply(t, z, args, m)` at fixed m, so the mark is drawn apart from the move.

    **Fields:**

    - `rate(t, z, args)`: the intensity, a scalar ≥ 0 per unit of time.
    - `apply(t, z, args, mark)`: the point after the event, shape `(D,)`, inside the ball. Where it is
        an isometry the kinetic energy is unchanged.
    - `mark(t, z, args, key)`: a pytree of arrays, or None where events are all alike; then `apply`
        gets the mark None.
    - `bound`: as that of a [`JumpProcess`][gyrax.JumpProcess].
    """

    rate: Callable[[Any, Any, Any], Any]
    apply: Callable[[Any, Any, Any, Any], Any]
    mark: Callable[[Any, Any, Any, Any], Any] | None = None
    bound: Bound = None

    def intensity(self, t: Scalar, y: Any, args: Any = None) -> Float[Array, ""]:
        """The rate as an array. Raises `ValueError` where `rate` does not return a scalar."""
        return as_rate(self.rate(t, _point(y), args), "rate(t, z, args)")

    def draw(self, t: Scalar, y: Any, args: Any, key: PRNGKey) -> Any:
        """The mark of an event at `t` in `y`."""
        return None if self.mark is None else self.mark(t, _point(y), args, key)

    def move(self, t: Scalar, y: PhaseState, args: Any, mark: Any, terms: Any = None) -> PhaseState:
        """The state after an event of the given mark, momentum and all, on the ball of the terms; of
        curvature −1 without any."""
        c = 1.0 if terms is None else langevin_parts(terms).drift.c
        return apply_jump(lambda z: self.apply(t, z, args, mark), y, jnp.asarray(c, y.z.dtype))

    @property
    def bounded(self) -> bool:
        """Whether there is a `bound`."""
        return self.bound is not None

    def limit(self, t: Scalar, args: Any = None) -> Float[Array, ""]:
        """The bound at `t`, as an array."""
        return as_bound(self.bound, t, args)


def _point(y: Any) -> Float[Array, " D"]:
    if not isinstance(y, PhaseState):
        raise ValueError(
            f"a BallJumpProcess was given a state {jax.tree.map(jnp.shape, y)}; it moves a PhaseState of "
            "gyrax.langevin_terms: use a gyrax.JumpProcess for any other."
        )
    return y.z


def apply_jump(
    jump: Callable[[Float[Array, " D"]], Float[Array, " D"]], y: PhaseState, c: Scalar = 1.0
) -> PhaseState:
    """Move the point by `jump` and the momentum by its differential, v ↦ (∂jump) v with v = λ⁻²p.

    For an isometry the metric norm of p, and so the kinetic energy, is unchanged. Shapes: `jump` takes a
    point of shape `(D,)` to one; `y` is one [`PhaseState`][].
    """
    z, v = jax.jvp(jump, (y.z,), (sharp(y.z, y.p, c),))
    return PhaseState(z, flat(z, v, c))
