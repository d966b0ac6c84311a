"""How likely an observed sequence of jumps is under a rate: what a rate is learned from."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

Events = Bool[Array, " steps"] | Int[Array, " steps"] | Float[Array, " steps"]


def jump_log_likelihood(
    rate: Callable[[Any, Any, Any], Any],
    ts: Float[Array, " points"],
    ys: PyTree,
    events: Events,
    args: Any = None,
    *,
    bernoulli: bool = False,
) -> Float[Array, ""]:
    """Log-likelihood of jumps seen on a grid of times: Σ log λ(tᵢ) − ∫ λ dt.

    The integral is by the trapezoid rule, right to second order in the steps (and on average over
    where in its step a jump falls); λ at a jump is that at the start of its step, before it. With
    `bernoulli`, only whether each step jumped is known: Σ log(1 − e^{−Λ}) over the steps that did, −Λ
    over those that did not, Λ the step's hazard. Differentiable in whatever `rate` closes over.

    **Arguments:**

    - `rate(t, y, args)`: the intensity, a scalar ≥ 0.
    - `ts`, `ys`: the grid of times, shape `(points,)`, and the states at them, a pytree of arrays of shapes
        `(points, ...)`; on the ball mostly the positions.
    - `events`: how many jumps fell in each step (or whether any did), shape `(points − 1,)`.

    **Raises:** `ValueError` where the lengths do not match.
    """
    lengths = {len(y) for y in jax.tree.leaves(ys)}
    if not lengths == {len(ts)} == {len(events) + 1}:
        states = " or ".join(map(str, sorted(lengths)))
        raise ValueError(
            f"there are {len(ts)} times, {states} states and {len(events)} event counts; n steps "
            "have n + 1 times and states, and n event counts."
        )
    rates = jnp.asarray(jax.vmap(rate, in_axes=(0, 0, None))(ts, ys, args))
    hazards = 0.5 * (rates[1:] + rates[:-1]) * jnp.diff(ts)
    if bernoulli:
        return bernoulli_log_likelihood(hazards, events)
    counts = jnp.asarray(events, rates.dtype)
    before = jnp.where(counts > 0, rates[:-1], 1.0)  # log 0 has no derivative, even times nothing
    return jnp.sum(counts * jnp.log(before)) - jnp.sum(hazards)


def bernoulli_log_likelihood(
    hazards: Float[Array, "*s"],
    events: Bool[Array, "*s"] | Int[Array, "*s"] | Float[Array, "*s"],
) -> Float[Array, ""]:
    """Log-likelihood of whether each step jumped, P(jump) = 1 − e^{−Λ}, from the steps' hazards Λ.

    Its gradient is finite where no jump was seen at Λ = 0; a jump seen there has likelihood zero. Shapes:
    `hazards` and `events` have the same, such as `(steps,)`; the result is one number.
    """
    seen = jnp.asarray(events) > 0
    inside = jnp.where(seen, hazards, 1.0)
    return jnp.sum(jnp.where(seen, jnp.log(-jnp.expm1(-inside)), -hazards))
