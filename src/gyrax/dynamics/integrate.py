"""A fixed number of solver steps by hand, as training rolls out: diffrax's manual stepping in a scan."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from gyrax.dynamics.checks import checked_motion, checked_times
from gyrax.dynamics.solvers.base import langevin_parts, require_on_ball
from gyrax.dynamics.terms import PhaseState


def integrate(
    terms: diffrax.AbstractTerm,
    solver: diffrax.AbstractSolver,
    t0: Any,
    dt: Any,
    steps: int,
    y0: PhaseState,
    args: Any = None,
) -> PhaseState:
    """The state after `steps` steps of size `dt` from `t0`: `diffeqsolve` without its machinery.

    `y0` is one state, with `z` and `p` of shape `(D,)`; batch it with `jax.vmap`. Differentiable in reverse
    mode.

    **Raises:** `ValueError` where `steps` is not positive or the solver may leave the ball; and, where the
    terms are checked (under jit `eqx.error_if`), for steps that are lost to rounding: those that the dtype of
    times does not tell apart to a quarter of a step, and, where there are more than 1/(64 eps) of
    them (131,072 in float32), those that move the state by less than 64 units in the last place. Sums are not
    compensated.
    """
    if not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"steps is {steps}; it must be a whole number, 1 or more.")
    require_on_ball(solver)
    parts = langevin_parts(terms)
    if parts.drift.checked:
        y0 = checked_times(y0, t0, dt, steps)
    state = solver.init(terms, t0, t0 + dt, y0, args)
    if parts.drift.checked:
        y0 = checked_motion(y0, parts.drift, parts.diffusion, t0, dt, steps, args)

    def step(carry: tuple, index: Any) -> tuple:
        y, state = carry
        # The end of a step is the beginning of the next one to the last bit: a Brownian path moves
        # by the square root of any gap between them.
        y, _, _, state, _ = solver.step(
            terms, t0 + index * dt, t0 + (index + 1) * dt, y, args, state, False
        )
        return (y, state), None

    if steps == 1:
        return step((y0, state), 0)[0][0]
    (y, _), _ = jax.lax.scan(step, (y0, state), jnp.arange(steps))
    return y
