"""The loop that simulates jumps at their exact times: one solver step an iteration.

A step is first tried whole. If the integrated rate crosses its Exp(1) draw inside, the crossing time τ
is searched for by taking the step to trial times instead, each from the state at its start and on the
same Brownian path. The step to τ is kept, the state jumps, and the rest of the step is tried from there.
No state is interpolated, because a Brownian trajectory is not its chord. The search is part of the
loop's state, not a loop of its own, so that under vmap no chain waits while another one searches.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax.dynamics.jumps import JumpProcess
from gyrax.dynamics.solution import Outcome, Simulation
from gyrax.dynamics.solvers.base import langevin_parts
from gyrax.dynamics.terms import PhaseState
from gyrax.dynamics.time_grid import TimeGrid
from gyrax.geometry import project


class Search(NamedTuple):
    """A bracket of the crossing: its ends, the hazard less the draw at each (negative, positive),
    which end moved last (−1, 1), and how many trials were made."""

    active: Array
    low: Array
    below: Array
    high: Array
    above: Array
    last: Array
    tries: Array


class Loop(NamedTuple):
    """Where the trajectory is (at `t`, in the step after `k`), the hazard `left` until the next jump,
    and what has been recorded."""

    k: Array
    t: Array
    y: PhaseState
    state: Any
    rate: Array
    left: Array
    search: Search
    key: Array
    slot: Array
    out: Simulation


class Trial(NamedTuple):
    """A solver step from the loop's state to `t`: its end, and the hazard there less the draw."""

    t: Array
    y: PhaseState
    state: Any
    rate: Array
    excess: Array


@eqx.filter_jit
def run_with_jumps(
    terms: Any,
    solver: Any,
    grid: TimeGrid,
    y0: PhaseState,
    args: Any,
    key: Any,
    jumps: JumpProcess,
    max_jumps: int,
) -> Simulation:
    """Simulate to the end, or to the first failure; see [`gyrax.simulate`][]."""
    saves = jnp.asarray(grid.saves)

    def unfinished(loop: Loop) -> Array:
        return (loop.k < grid.steps) & (loop.out.result == Outcome.successful)

    def body(loop: Loop) -> Loop:
        # Under vmap a chain that has ended is still computed, without effect, until the last one ends.
        end = grid.time(jnp.minimum(loop.k + 1, grid.steps))
        trial = _try(terms, solver, jumps, loop, end, args)
        found = loop.search.active & _is_found(loop, trial, grid)
        search = loop.search.active | (trial.excess >= 0)
        branches = (
            lambda: _arrive(loop, trial, saves),
            lambda: _narrow(loop, trial, end),
            lambda: _jump(terms, solver, jumps, loop, trial, end, args),
        )
        after = lax.switch(jnp.where(found, 2, jnp.where(search, 1, 0)), branches)
        return _failing(after, ~(trial.rate >= 0), Outcome.bad_rate)

    return lax.while_loop(
        unfinished, body, _start(terms, solver, grid, y0, args, key, jumps, max_jumps)
    ).out


def _start(
    terms: Any,
    solver: Any,
    grid: TimeGrid,
    y0: PhaseState,
    args: Any,
    key: Any,
    jumps: JumpProcess,
    max_jumps: int,
) -> Loop:
    key, hazard_key = jr.split(key)
    t0, count = grid.time(0), jnp.asarray(0)
    blank = lambda n: jax.tree.map(lambda x: jnp.full((n, *x.shape), jnp.nan, x.dtype), y0)
    mark = eqx.filter_eval_shape(lambda k: jumps.draw(t0, y0.z, args, k), key)
    ys = blank(len(grid.saves))
    if grid.saves[0] == 0:
        ys = jax.tree.map(lambda ys, y: ys.at[0].set(y), ys, y0)
    rate = jumps.intensity(t0, y0.z, args)
    out = Simulation(
        ts=grid.time(jnp.asarray(grid.saves)),
        ys=ys,
        jump_times=jnp.full((max_jumps,), jnp.inf, t0.dtype),
        marks=jax.tree.map(lambda x: jnp.zeros((max_jumps, *x.shape), x.dtype), mark),
        before=blank(max_jumps),
        after=blank(max_jumps),
        count=count,
        result=Outcome.where(rate >= 0, Outcome.successful, Outcome.bad_rate),
    )
    return Loop(
        k=count,
        t=t0,
        y=y0,
        state=solver.init(terms, t0, grid.time(1), y0, args),
        rate=rate,
        left=jr.exponential(hazard_key, (), t0.dtype),
        search=_idle(t0),
        key=key,
        slot=jnp.asarray(int(grid.saves[0] == 0)),
        out=out,
    )


def _idle(t: Array) -> Search:
    zero, none = jnp.zeros_like(t), jnp.asarray(0)
    return Search(jnp.asarray(False), t, zero, t, zero, none, none)


def _try(terms: Any, solver: Any, jumps: JumpProcess, loop: Loop, end: Array, args: Any) -> Trial:
    """The step to its end, or to where a search looks next. The hazard is by the trapezoid rule."""
    t = jnp.where(loop.search.active, _guess(loop.search), end)
    y, _, _, state, _ = solver.step(terms, loop.t, t, loop.y, args, loop.state, False)
    rate = jumps.intensity(t, y.z, args)
    return Trial(t, y, state, rate, 0.5 * (t - loop.t) * (loop.rate + rate) - loop.left)


def _guess(search: Search) -> Array:
    """Regula falsi, and every third time the middle, which bounds the number of trials."""
    rise = search.above - search.below
    share = jnp.where(rise > 0, search.above / jnp.where(rise > 0, rise, 1.0), 0.5)
    share = jnp.where(search.tries % 3 == 2, 0.5, share)
    guess = search.high - share * (search.high - search.low)
    return jnp.clip(guess, search.low, search.high)


def _is_found(loop: Loop, trial: Trial, grid: TimeGrid) -> Array:
    """Whether the trial meets the crossing to rounding, in hazard or in time."""
    noise = 64.0 * jnp.finfo(loop.y.z.dtype).eps * (1.0 + loop.left)
    width = 4.0 * jnp.finfo(loop.t.dtype).eps * jnp.maximum(jnp.abs(trial.t), grid.dt)
    return (jnp.abs(trial.excess) <= noise) | (loop.search.high - loop.search.low <= width)


def _arrive(loop: Loop, trial: Trial, saves: Array) -> Loop:
    """Keep the step, and save the state where it is asked for."""
    k = loop.k + 1
    wanted = (loop.slot < saves.size) & (saves[jnp.minimum(loop.slot, saves.size - 1)] == k)
    row = jnp.where(wanted, loop.slot, saves.size)
    ys = _set(loop.out.ys, row, trial.y)
    return loop._replace(
        k=k,
        t=trial.t,
        y=trial.y,
        state=trial.state,
        rate=trial.rate,
        left=-trial.excess,
        slot=loop.slot + wanted,
        out=eqx.tree_at(lambda out: out.ys, loop.out, ys),
    )


def _narrow(loop: Loop, trial: Trial, end: Array) -> Loop:
    """Open the search with the whole step, or close its bracket around the trial (Illinois rule)."""
    old, passed = loop.search, trial.excess >= 0
    side = jnp.where(passed, 1, -1)
    halved = jnp.where(old.last == side, 0.5, 1.0)
    closed = Search(
        active=jnp.asarray(True),
        low=jnp.where(passed, old.low, trial.t),
        below=jnp.where(passed, halved * old.below, trial.excess),
        high=jnp.where(passed, trial.t, old.high),
        above=jnp.where(passed, trial.excess, halved * old.above),
        last=side,
        tries=old.tries + 1,
    )
    opened = _idle(loop.t)._replace(
        active=jnp.asarray(True), below=-loop.left, high=end, above=trial.excess
    )
    choose = lambda a, b: jnp.where(old.active, a, b)
    return loop._replace(search=jax.tree.map(choose, closed, opened))


def _jump(
    terms: Any,
    solver: Any,
    jumps: JumpProcess,
    loop: Loop,
    trial: Trial,
    end: Array,
    args: Any,
) -> Loop:
    """Keep the step to the crossing, move the state, and draw the hazard until the next jump."""
    c = jnp.asarray(langevin_parts(terms).drift.c, trial.y.z.dtype)
    key, mark_key, hazard_key = jr.split(loop.key, 3)
    mark = jumps.draw(trial.t, trial.y.z, args, mark_key)
    y = jumps.move(trial.t, trial.y, args, mark, c)
    good = c * jnp.sum(y.z**2) < 1.0 + jnp.finfo(y.z.dtype).eps ** 0.5
    y = PhaseState(project(y.z, c), y.p)
    out, row = loop.out, loop.out.count
    room = row < out.jump_times.size
    rate = jumps.intensity(trial.t, y.z, args)
    after = loop._replace(
        t=trial.t,
        y=y,
        state=solver.init(terms, trial.t, end, y, args),
        rate=rate,
        left=jr.exponential(hazard_key, (), loop.left.dtype),
        search=_idle(trial.t),
        key=key,
        out=Simulation(
            ts=out.ts,
            ys=out.ys,
            jump_times=_set(out.jump_times, row, trial.t),
            marks=_set(out.marks, row, mark),
            before=_set(out.before, row, trial.y),
            after=_set(out.after, row, y),
            count=row + room,
            result=out.result,
        ),
    )
    after = _failing(after, ~(rate >= 0), Outcome.bad_rate)
    return _failing(_failing(after, ~good, Outcome.bad_jump), ~room, Outcome.overflow)


def _set(rows: Any, row: Array, value: Any) -> Any:
    """Write one row of every leaf; a row past the end is dropped."""
    return jax.tree.map(lambda x, v: x.at[row].set(v, mode="drop"), rows, value)


def _failing(loop: Loop, bad: Array, outcome: Outcome) -> Loop:
    result = Outcome.where(bad, outcome, loop.out.result)
    return loop._replace(out=eqx.tree_at(lambda out: out.result, loop.out, result))
