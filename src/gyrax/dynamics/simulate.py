"""Simulation in whole steps, with or without jumps at their exact times."""

import math
from collections.abc import Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gyrax._types import PRNGKey
from gyrax.dynamics.brownian import PresampledPath
from gyrax.dynamics.checks import checked_cover, checked_motion
from gyrax.dynamics.event_loop import run_with_jumps
from gyrax.dynamics.jumps import JumpProcess
from gyrax.dynamics.solution import Outcome, Simulation
from gyrax.dynamics.solvers.base import (
    checked_start,
    langevin_parts,
    require_on_ball,
    trusted,
)
from gyrax.dynamics.terms import PhaseState, Scalar
from gyrax.dynamics.time_grid import TimeGrid, time_grid


def simulate(
    terms: diffrax.AbstractTerm,
    solver: diffrax.AbstractSolver,
    t0: Scalar,
    t1: Scalar,
    dt0: Scalar,
    y0: PhaseState,
    args: Any = None,
    *,
    key: PRNGKey | None = None,
    jumps: JumpProcess | None = None,
    saveat: int | Sequence[float] | np.ndarray | Array = 1,
    max_jumps: int = 256,
    throw: bool = True,
) -> Simulation:
    """Simulate one trajectory from `t0` to `t1` in steps of `dt0`; batch it with `jax.vmap`.

    Without `jumps` it is differentiable in reverse mode and equals `diffrax.diffeqsolve` to rounding.

    **Arguments:**

    - `terms`, `solver`: from `langevin_terms`, and any solver on the ball. Jumps fall between steps,
        so with them the Brownian path must be known at every time, as `diffrax.VirtualBrownianTree`.
    - `t0`, `t1`, `dt0`: Python numbers; t1 > t0, a whole number of steps, which the dtype of times and
        that of the state can tell apart: see [`integrate`][gyrax.dynamics.integrate.integrate].
    - `y0`: where it starts, one [`PhaseState`][] with `z` and `p` of shape `(D,)`.
    - `args`: given to all functions of the terms and the jumps.
    - `jumps`: the process of jumps, or None.
    - `key`: for the jumps: their times and marks. The noise has its own, in the path.
    - `saveat`: how many equally spaced times to save, the last of them t1; or the times themselves, shape
        `(saves,)`, which must be ends of steps (t0 is one).
    - `max_jumps`: room for this many jumps. One more is an error, or, with `throw=False`, ends the
        simulation with a `result` that says so.

    **Raises:** `ValueError` (under jit, `eqx.error_if`) for what cannot be simulated: see [`Outcome`][],
    [`langevin_terms`][] and the arguments above.
    """
    require_on_ball(solver)
    grid = time_grid(t0, t1, dt0, saveat)
    parts = langevin_parts(terms)
    if jumps is not None:
        _check_jumps(parts.diffusion.path, key, max_jumps)
    if parts.drift.checked:
        # A jump splits its step, each part of which asks the path anew.
        splits = 1 if jumps is None else 2
        y0, _ = checked_start(solver, terms, grid.t0, grid.t0 + grid.dt, y0, args, splits)
        y0 = checked_cover(y0, grid.t0, grid.t1, parts.diffusion.path)
        y0 = checked_motion(y0, parts.drift, parts.diffusion, grid.t0, grid.dt, grid.steps, args)
    terms = trusted(terms)  # what is checked once needs no check in the loop
    if jumps is None:
        return _run_without_jumps(terms, solver, grid, y0, args)
    simulation = run_with_jumps(terms, solver, grid, y0, args, key, jumps, max_jumps)
    return _refuse_failure(simulation) if throw else simulation


def _check_jumps(path: Any, key: Any, max_jumps: int) -> None:
    if key is None:
        raise ValueError("jumps are drawn at random; pass key=jax.random.key(seed).")
    if max_jumps < 1:
        raise ValueError(f"max_jumps is {max_jumps}; make room for at least one jump.")
    if isinstance(path, PresampledPath):
        raise ValueError(
            "jumps fall between the times that a PresampledPath holds; build the terms with a "
            "diffrax.VirtualBrownianTree, which is known at every time."
        )


def _refuse_failure(simulation: Simulation) -> Simulation:
    result = simulation.result
    if not result.is_traced():
        for outcome in (Outcome.overflow, Outcome.bad_rate, Outcome.bad_jump):
            if bool(result == outcome):
                raise ValueError(Outcome[outcome])
    return result.error_if(simulation, result != Outcome.successful)


@eqx.filter_jit
def _run_without_jumps(
    terms: Any, solver: Any, grid: TimeGrid, y0: PhaseState, args: Any
) -> Simulation:
    """A scan over as many steps as the save times have in common, of which the saved ones are kept."""
    stride = math.gcd(*grid.saves) or 1

    def step(carry: tuple, k: Any) -> tuple:
        y, state = carry
        y, _, _, state, _ = solver.step(
            terms, grid.time(k), grid.time(k + 1), y, args, state, False
        )
        return (y, state), None

    def chunk(carry: tuple, k: Any) -> tuple:
        carry, _ = lax.scan(step, carry, k + jnp.arange(stride))
        return carry, carry[0]

    state = solver.init(terms, grid.time(0), grid.time(1), y0, args)
    _, ys = lax.scan(chunk, (y0, state), jnp.arange(0, grid.saves[-1], stride))
    rows = jnp.asarray(grid.saves) // stride
    ys = jax.tree.map(lambda y, ys: jnp.concatenate([y[None], ys])[rows], y0, ys)
    none = jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), y0)
    return Simulation(
        grid.time(jnp.asarray(grid.saves)), ys, jnp.zeros(0), None, none, none,
        jnp.asarray(0), Outcome.successful,
    )  # fmt: skip
