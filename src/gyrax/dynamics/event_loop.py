"""The loop that simulates jumps at their exact times: one solver step an iteration.

A step is first tried whole. If the integrated rate crosses its Exp(1) draw inside, the crossing time τ
is searched for by taking the step to trial times instead, each from the state at its start and on the
same Brownian path. The step to τ is kept, the state jumps, and the rest of the step is tried from there.
No state is interpolated, because a Brownian trajectory is not its chord. The search is part of the
loop's state, not a loop of its own, so that under vmap no chain waits while another one searches.

Where a process has a bound its next proposal falls at a time known beforehand, which then ends the step.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax.dynamics.domain import AbstractDomain
from gyrax.dynamics.search import Search, idle_search
from gyrax.dynamics.solution import Outcome, Simulation, failure
from gyrax.dynamics.superposition import Line, Superposition
from gyrax.dynamics.time_grid import TimeGrid


class Setting(NamedTuple):
    """What does not change in the loop."""

    terms: Any
    solver: Any
    grid: TimeGrid
    args: Any
    jumps: Superposition
    domain: AbstractDomain


class Loop(NamedTuple):
    """Where the trajectory is (at `t`, in the step after `k`), the hazard `left` until the next jump and
    the one `ahead` until the next proposal, and what has been recorded."""

    k: Array
    t: Array
    y: Any
    state: Any
    rate: Array
    left: Array
    ahead: Array
    search: Search
    key: Array
    slot: Array
    out: Simulation


class Trial(NamedTuple):
    """A solver step from the loop's state to `t`: its end, the hazard there less the draw, the rates of the
    processes with bounds, and whether the solver failed."""

    t: Array
    y: Any
    state: Any
    rate: Array
    excess: Array
    bounded: Any
    failed: Array | None


class Proposal(NamedTuple):
    """The bounds over the rest of the step, and where its next proposal falls, if it is `due`."""

    line: Line
    due: Array
    time: Array


@eqx.filter_jit
def run_with_jumps(setting: Setting, y0: Any, key: Any, max_jumps: int) -> Simulation:
    """Simulate to the end, or to the first failure; see [`gyrax.simulate`][]."""
    grid, jumps = setting.grid, setting.jumps
    saves = jnp.asarray(grid.saves)

    def unfinished(loop: Loop) -> Array:
        return (loop.k < grid.steps) & (loop.out.result == Outcome.successful)

    def body(loop: Loop) -> Loop:
        # Under vmap a chain that has ended is still computed, without effect, until the last one ends.
        last = grid.time(jnp.minimum(loop.k + 1, grid.steps))
        proposal = _propose(setting, loop, last)
        end = last if proposal is None else jnp.where(proposal.due, proposal.time, last)
        trial = _try(setting, loop, end)
        branches, choice = [lambda: _arrive(loop, trial, saves, proposal)], jnp.asarray(0)
        if proposal is not None:
            branches.append(lambda: _thin(setting, loop, trial, proposal, last))
            choice = jnp.where(proposal.due, 1, 0)
        if jumps.searched:
            branches.append(lambda: _narrow(loop, trial, end))
            branches.append(lambda: _found(setting, loop, trial, last))
            found = loop.search.active & _is_found(loop, trial, grid)
            search = loop.search.active | (trial.excess >= 0)
            count = len(branches)
            choice = jnp.where(found, count - 1, jnp.where(search, count - 2, choice))
        after = lax.switch(choice, branches)
        return _judge(after, trial, proposal, loop)

    out = lax.while_loop(unfinished, body, _start(setting, y0, key, max_jumps)).out
    return eqx.tree_at(lambda x: x.marks, out, out.marks[0]) if jumps.alone else out


def _start(setting: Setting, y0: Any, key: Any, max_jumps: int) -> Loop:
    terms, solver, grid, args, jumps, _ = setting
    key, *hazard_keys = jr.split(key, 3 if jumps.thinned else 2)
    t0, count = grid.time(0), jnp.asarray(0)
    blank = lambda n: jax.tree.map(lambda x: jnp.full((n, *x.shape), jnp.nan, x.dtype), y0)
    ys = blank(len(grid.saves))
    if grid.saves[0] == 0:
        ys = jax.tree.map(lambda ys, y: ys.at[0].set(y), ys, y0)
    rate = jumps.searched_rate(t0, y0, args)
    rows = lambda x: jnp.zeros((max_jumps, *x.shape), x.dtype)
    out = Simulation(
        ts=grid.time(jnp.asarray(grid.saves)),
        ys=ys,
        jump_times=jnp.full((max_jumps,), jnp.inf, t0.dtype),
        which=jnp.full((max_jumps,), -1),
        marks=jax.tree.map(rows, jumps.marks(t0, y0, args, key)),
        before=blank(max_jumps),
        after=blank(max_jumps),
        count=count,
        counts=jnp.zeros((len(jumps.every),), count.dtype),
        result=Outcome.where(rate >= 0, Outcome.successful, Outcome.bad_rate),
    )
    return Loop(
        k=count,
        t=t0,
        y=y0,
        state=solver.init(terms, t0, grid.time(1), y0, args),
        rate=rate,
        left=jr.exponential(hazard_keys[0], (), t0.dtype),
        ahead=jr.exponential(hazard_keys[-1], (), t0.dtype),
        search=idle_search(t0),
        key=key,
        slot=jnp.asarray(int(grid.saves[0] == 0)),
        out=out,
    )


def _propose(setting: Setting, loop: Loop, last: Array) -> Proposal | None:
    if not setting.jumps.thinned:
        return None
    line = setting.jumps.line(loop.t, last, setting.args)
    due = line.hazard(line.length) >= loop.ahead
    return Proposal(line, due, jnp.minimum(loop.t + line.reach(loop.ahead), last))


def _try(setting: Setting, loop: Loop, end: Array) -> Trial:
    """The step to its end, or to where a search looks next. The hazard is by the trapezoid rule."""
    terms, solver, _, args, jumps, _ = setting
    t = jnp.where(loop.search.active, loop.search.guess(), end)
    y, _, _, state, result = solver.step(terms, loop.t, t, loop.y, args, loop.state, False)
    rate = jumps.searched_rate(t, y, args)
    excess = 0.5 * (t - loop.t) * (loop.rate + rate) - loop.left
    bounded = jumps.rates(jumps.thinned, t, y, args) if jumps.thinned else None
    return Trial(t, y, state, rate, excess, bounded, failure(result))


def _is_found(loop: Loop, trial: Trial, grid: TimeGrid) -> Array:
    """Whether the trial meets the crossing to rounding, in hazard or in time."""
    noise = 64.0 * _coarsest(loop.y) * (1.0 + loop.left)
    width = 4.0 * jnp.finfo(loop.t.dtype).eps * jnp.maximum(jnp.abs(trial.t), grid.dt)
    return (jnp.abs(trial.excess) <= noise) | (loop.search.high - loop.search.low <= width)


def _coarsest(y: Any) -> float:
    """The rounding of the least precise array of a state."""
    return max(float(jnp.finfo(x.dtype).eps) for x in jax.tree.leaves(y))


def _arrive(loop: Loop, trial: Trial, saves: Array, proposal: Proposal | None) -> Loop:
    """Keep the step, and save the state where it is asked for."""
    k = loop.k + 1
    wanted = (loop.slot < saves.size) & (saves[jnp.minimum(loop.slot, saves.size - 1)] == k)
    row = jnp.where(wanted, loop.slot, saves.size)
    ys = _set(loop.out.ys, row, trial.y)
    loop = _passed(loop, trial, proposal)
    return loop._replace(
        k=k, slot=loop.slot + wanted, out=eqx.tree_at(lambda out: out.ys, loop.out, ys)
    )


def _passed(loop: Loop, trial: Trial, proposal: Proposal | None) -> Loop:
    """The loop at the end of a step in which nothing happened."""
    ahead = loop.ahead
    if proposal is not None:
        ahead = ahead - proposal.line.hazard(trial.t - loop.t)
    return loop._replace(
        t=trial.t,
        y=trial.y,
        state=trial.state,
        rate=trial.rate,
        left=-trial.excess,
        ahead=ahead,
    )


def _narrow(loop: Loop, trial: Trial, end: Array) -> Loop:
    """Open the search with the whole step, or close its bracket around the trial."""
    opened = loop.search.opened(loop.t, end, -loop.left, trial.excess)
    closed = loop.search.closed(trial.t, trial.excess)
    choose = lambda a, b: jnp.where(loop.search.active, a, b)
    return loop._replace(search=jax.tree.map(choose, closed, opened))


def _found(setting: Setting, loop: Loop, trial: Trial, last: Array) -> Loop:
    """The jump that a search has found."""
    jumps = setting.jumps
    if len(jumps.every) == 1:
        return _jump(setting, loop, trial, last, jnp.asarray(0))
    key, pick = jr.split(loop.key)
    which = jumps.pick_searched(trial.t, trial.y, setting.args, pick)
    return _jump(setting, loop._replace(key=key), trial, last, which)


def _thin(setting: Setting, loop: Loop, trial: Trial, proposal: Proposal, last: Array) -> Loop:
    """Keep a proposed jump with probability rate/bound."""
    key, pick, again = jr.split(loop.key, 3)
    bounds = proposal.line.at(trial.t - loop.t)
    place = jr.uniform(pick, (), bounds.dtype) * bounds.sum()
    number = jnp.sum(jnp.cumsum(trial.bounded) <= place)
    numbers = jnp.asarray(setting.jumps.thinned)
    loop = loop._replace(key=key)
    return lax.cond(
        number < numbers.size,
        lambda: _jump(setting, loop, trial, last, numbers[jnp.minimum(number, numbers.size - 1)]),
        lambda: _passed(loop, trial, proposal)._replace(
            ahead=jr.exponential(again, (), loop.ahead.dtype)
        ),
    )


def _jump(setting: Setting, loop: Loop, trial: Trial, last: Array, which: Array) -> Loop:
    """Keep the step to the event, move the state, and draw the hazard until the next jump."""
    terms, solver, _, args, jumps, domain = setting
    key, mark_key, *hazard_keys = jr.split(loop.key, 4 if jumps.thinned else 3)
    marks, y = jumps.fire(which, trial.t, trial.y, args, mark_key, terms)
    y, good = domain.land(terms, y)
    out, row = loop.out, loop.out.count
    room = row < out.jump_times.size
    rate = jumps.searched_rate(trial.t, y, args)
    after = loop._replace(
        t=trial.t,
        y=y,
        state=solver.init(terms, trial.t, last, y, args),
        rate=rate,
        left=jr.exponential(hazard_keys[0], (), loop.left.dtype),
        ahead=jr.exponential(hazard_keys[-1], (), loop.ahead.dtype),
        search=idle_search(trial.t),
        key=key,
        out=Simulation(
            ts=out.ts,
            ys=out.ys,
            jump_times=_set(out.jump_times, row, trial.t),
            which=_set(out.which, row, which),
            marks=_set(out.marks, row, marks),
            before=_set(out.before, row, trial.y),
            after=_set(out.after, row, y),
            count=row + room,
            counts=out.counts.at[which].add(room),
            result=out.result,
        ),
    )
    after = _failing(after, ~(rate >= 0), Outcome.bad_rate)
    return _failing(_failing(after, ~good, Outcome.bad_jump), ~room, Outcome.overflow)


def _set(rows: Any, row: Array, value: Any) -> Any:
    """Write one row of every leaf; a row past the end is dropped."""
    return jax.tree.map(lambda x, v: x.at[row].set(v, mode="drop"), rows, value)


def _judge(after: Loop, trial: Trial, proposal: Proposal | None, loop: Loop) -> Loop:
    """End the simulation where the trial shows that it cannot go on."""
    after = _failing(after, ~(trial.rate >= 0), Outcome.bad_rate)
    if proposal is not None:
        bounds = proposal.line.at(trial.t - loop.t)
        slack = 1.0 + 64.0 * jnp.finfo(bounds.dtype).eps
        within = (trial.bounded <= slack * bounds).all() & proposal.line.valid()
        after = _failing(after, ~within, Outcome.bad_bound)
        after = _failing(after, ~(trial.bounded >= 0).all(), Outcome.bad_rate)
    if trial.failed is not None:
        after = _failing(after, trial.failed, Outcome.bad_step)
    return after


def _failing(loop: Loop, bad: Array, outcome: Outcome) -> Loop:
    result = Outcome.where(bad, outcome, loop.out.result)
    return loop._replace(out=eqx.tree_at(lambda out: out.result, loop.out, result))
