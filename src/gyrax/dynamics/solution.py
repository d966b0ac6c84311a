"""What a simulation returns, and how it may have ended."""

from typing import Any

import diffrax
import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree


class Outcome(eqx.Enumeration):
    """How a simulation ended: `successful`, `overflow` (more jumps than `max_jumps`), `bad_rate` (negative or
    NaN), `bad_bound` (passed by its rate, negative or not finite), `bad_jump` (out of the domain of the
    equation, such as the ball, or NaN) or `bad_step` (an implicit solver that did not converge)."""

    successful = ""
    overflow = (
        "more jumps fell than max_jumps, and the simulation stopped at the first too many; "
        "raise max_jumps, or lower the rate."
    )
    bad_rate = (
        "the jump rate was negative or NaN; `rate` must be zero or positive wherever the "
        "state goes (and is NaN where the state is: then make dt0 smaller)."
    )
    bad_bound = (
        "a jump rate passed its bound, or the bound was negative or not finite; raise `bound`, which must "
        "hold wherever the state goes, or leave it out to search for the jumps instead."
    )
    bad_jump = (
        "a jump left the ball or was NaN; `apply` must return a finite state, and on the ball a point with "
        "c‖z‖² < 1, for instance by gyrax.geometry.mobius_add."
    )
    bad_step = (
        "a step of the solver failed: an implicit solver did not converge; make dt0 smaller, or its root "
        "finder's tolerances wider."
    )


class Simulation(eqx.Module):
    """What [`simulate`][gyrax.dynamics.simulate.simulate] returns.

    **Fields:**

    - `ts`, `ys`: the save times, shape `(saves,)`, and the states at them, of which every array has the saves
        along its first axis; after the jump where one falls on a save.
    - `jump_times`: shape `(max_jumps,)`, of which the first `count` are times and the rest infinite.
    - `which`: the number of the process that each jump is of, shape `(max_jumps,)`, −1 past `count`.
    - `marks`: as the process drew them, `max_jumps` along the first axis; of several processes, a tuple of
        the marks of each, zero in the rows of other processes' jumps.
    - `before`, `after`: the states at either side of each jump, `(max_jumps, ...)`, NaN past `count`.
    - `count`: how many jumps fell; `counts`, of each process, shape `(processes,)`.
    - `result`: an [`Outcome`][]. Where it is not successful the states not reached are NaN.

    Without jumps, the fields of jumps have no entries.
    """

    ts: Float[Array, " saves"]
    ys: PyTree
    jump_times: Float[Array, " jumps"]
    which: Int[Array, " jumps"]
    marks: Any
    before: PyTree
    after: PyTree
    count: Int[Array, ""]
    counts: Int[Array, " processes"]
    result: Outcome


def failure(result: Any) -> Array | None:
    """Whether a step failed; None of a solver that cannot, which says so when it is traced."""
    if result is diffrax.RESULTS.successful:
        return None
    return result != diffrax.RESULTS.successful
