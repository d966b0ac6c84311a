"""What a simulation returns, and how it may have ended."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Int

from gyrax.dynamics.terms import PhaseState


class Outcome(eqx.Enumeration):
    """How a simulation ended: `successful`, `overflow` (more jumps than `max_jumps`), `bad_rate` (negative or
    NaN) or `bad_jump` (out of the ball, or NaN)."""

    successful = ""
    overflow = (
        "more jumps fell than max_jumps, and the simulation stopped at the first too many; "
        "raise max_jumps, or lower the rate."
    )
    bad_rate = (
        "the jump rate was negative or NaN; `rate(t, z, args)` must be zero or positive wherever the "
        "state goes (and is NaN where the state is: then make dt0 smaller)."
    )
    bad_jump = (
        "a jump left the ball or was NaN; `apply(t, z, args, mark)` must return a point with "
        "c‖z‖² < 1, for instance by gyrax.geometry.mobius_add."
    )


class Simulation(eqx.Module):
    """What [`simulate`][gyrax.dynamics.simulate.simulate] returns.

    **Fields:**

    - `ts`, `ys`: the save times, shape `(saves,)`, and the states at them, `z` and `p` of shape `(saves, D)`;
        after the jump where one falls on a save.
    - `jump_times`: shape `(max_jumps,)`, of which the first `count` are times and the rest infinite.
    - `marks`: as the process drew them, `max_jumps` along the first axis.
    - `before`, `after`: the states at either side of each jump, `(max_jumps, D)`, NaN past `count`.
    - `count`: how many jumps fell.
    - `result`: an [`Outcome`][]. Where it is not successful the states not reached are NaN.

    Without jumps, the fields of jumps have no entries.
    """

    ts: Float[Array, " saves"]
    ys: PhaseState
    jump_times: Float[Array, " jumps"]
    marks: Any
    before: PhaseState
    after: PhaseState
    count: Int[Array, ""]
    result: Outcome
