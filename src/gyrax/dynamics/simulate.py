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
from jaxtyping import Array, PyTree

from gyrax._types import PRNGKey, Scalar
from gyrax.dynamics.brownian import PresampledPath, noise_of_steps
from gyrax.dynamics.event_loop import Setting, run_with_jumps
from gyrax.dynamics.everywhere import domain_of, paths_of, require_like
from gyrax.dynamics.jumps import AbstractJumpProcess
from gyrax.dynamics.solution import Outcome, Simulation, failure
from gyrax.dynamics.superposition import Superposition, superposed
from gyrax.dynamics.time_grid import TimeGrid, time_grid


def simulate(
    terms: Any,
    solver: diffrax.AbstractSolver,
    t0: Scalar,
    t1: Scalar,
    dt0: Scalar,
    y0: PyTree,
    args: Any = None,
    *,
    key: PRNGKey | None = None,
    jumps: AbstractJumpProcess | Sequence[AbstractJumpProcess] | None = None,
    saveat: int | Sequence[float] | np.ndarray | Array = 1,
    max_jumps: int = 256,
    throw: bool = True,
) -> Simulation:
    """Simulate one trajectory from `t0` to `t1` in steps of `dt0`; batch it with `jax.vmap`.

    Without `jumps` it is differentiable in reverse mode and equals `diffrax.diffeqsolve` to rounding.

    **Arguments:**

    - `terms`, `solver`: any of diffrax, or `langevin_terms` and any solver on the ball. With a
        [`PresampledPath`][gyrax.PresampledPath] of a cell, or several, for every step it is as fast as
        a scan written by hand. Jumps fall between steps, so with them a Brownian path must be known at
        every time, as `diffrax.VirtualBrownianTree`.
    - `t0`, `t1`, `dt0`: Python numbers; t1 > t0, a whole number of steps, which the dtype of times and
        that of the state can tell apart: see [`integrate`][gyrax.dynamics.integrate.integrate].
    - `y0`: where it starts: a pytree of arrays of any shapes `(...)`; for `langevin_terms`, one
        [`PhaseState`][] with `z` and `p` of shape `(D,)`.
    - `args`: given to all functions of the terms and the jumps.
    - `jumps`: the process of jumps, several of them, or None.
    - `key`: for the jumps: their times and marks. The noise has its own, in the path.
    - `saveat`: how many equally spaced times to save, the last of them t1; or the times themselves, shape
        `(saves,)`, which must be ends of steps (t0 is one).
    - `max_jumps`: room for this many jumps. One more is an error, or, with `throw=False`, ends the
        simulation with a `result` that says so.

    **Raises:** `ValueError` (under jit, `eqx.error_if`) for what cannot be simulated: see [`Outcome`][],
    [`langevin_terms`][] and the arguments above.
    """
    grid = time_grid(t0, t1, dt0, saveat)
    domain = domain_of(terms)
    _check_area(terms, solver)
    together = None if jumps is None else superposed(jumps)
    if together is not None:
        _check_room(terms, key, max_jumps)
    # A jump splits its step, each part of which asks the path anew.
    terms, y0 = domain.admit(terms, solver, grid, y0, args, 1 if together is None else 2)
    if together is None:
        simulation, failed = _run_without_jumps(terms, solver, grid, y0, args)
        if failed is None:
            return simulation
    else:
        _check_jumps(together, terms, grid.time(0), y0, args, key)
        setting = Setting(terms, solver, grid, args, together, domain)
        simulation = run_with_jumps(setting, y0, key, max_jumps)
    return _refuse_failure(simulation) if throw else simulation


def _check_area(terms: Any, solver: Any) -> None:
    """Raise `ValueError` where the solver asks for a Lévy area that a path of the terms does not have."""
    while isinstance(solver, diffrax.AbstractWrappedSolver):
        solver = solver.solver
    asked = getattr(solver, "minimal_levy_area", diffrax.AbstractBrownianIncrement)
    for path in paths_of(terms):
        if not issubclass(path.levy_area, asked):
            name = asked.__name__.removeprefix("Abstract")
            raise ValueError(
                f"{type(solver).__name__} needs a path with levy_area=diffrax.{name}, and this "
                f"{type(path).__name__} has {path.levy_area.__name__}; build it with that levy_area."
            )


def _check_room(terms: Any, key: Any, max_jumps: int) -> None:
    if key is None:
        raise ValueError("jumps are drawn at random; pass key=jax.random.key(seed).")
    if max_jumps < 1:
        raise ValueError(f"max_jumps is {max_jumps}; make room for at least one jump.")
    for path in paths_of(terms):
        if isinstance(path, PresampledPath | diffrax.UnsafeBrownianPath):
            holds = "the times that a PresampledPath holds"
            again = "what an UnsafeBrownianPath draws, anew each time it is asked"
            raise ValueError(
                f"jumps fall between {holds if isinstance(path, PresampledPath) else again}; build the "
                "terms with a diffrax.VirtualBrownianTree, which is known at every time."
            )


def _check_jumps(jumps: Superposition, terms: Any, t: Any, y: Any, args: Any, key: Any) -> None:
    """Raise `ValueError` where a jump does not leave the state as it is made, or a rate is no scalar."""
    for number, process in enumerate(jumps.every):

        def jump(y: Any, process: AbstractJumpProcess = process) -> Any:
            process.intensity(t, y, args)
            return process.move(t, y, args, process.draw(t, y, args, key), terms)

        name = "`apply`" if jumps.alone else f"`apply` of process {number}"
        require_like(eqx.filter_eval_shape(jump, y), y, name, "it")


def _refuse_failure(simulation: Simulation) -> Simulation:
    result = simulation.result
    if not result.is_traced():
        for outcome in FAILURES:
            if bool(result == outcome):
                raise ValueError(Outcome[outcome])
    return result.error_if(simulation, result != Outcome.successful)


FAILURES = (
    Outcome.overflow,
    Outcome.bad_rate,
    Outcome.bad_bound,
    Outcome.bad_jump,
    Outcome.bad_step,
)


@eqx.filter_jit
def _run_without_jumps(
    terms: Any, solver: Any, grid: TimeGrid, y0: Any, args: Any
) -> tuple[Simulation, Array | None]:
    """A scan over as many steps as the save times have in common, of which the saved ones are kept; and
    whether a step failed, or None of a solver that cannot."""
    stride = math.gcd(*grid.saves) or 1
    rows, with_noise = noise_of_steps(terms, grid)
    chunks = grid.saves[-1] // stride
    rows = jax.tree.map(lambda x: x.reshape(chunks, stride, *x.shape[1:]), rows)

    def step(carry: tuple, row: Any) -> tuple:
        y, state, k = carry
        begin, end = grid.time(k), grid.time(k + 1)
        noisy = with_noise(row, begin, end)
        y, _, _, state, result = solver.step(noisy, begin, end, y, args, state, False)
        return (y, state, k + 1), failure(result)

    def chunk(carry: tuple, rows: Any) -> tuple:
        carry, failed = lax.scan(step, carry, rows, length=stride)
        return carry, (carry[0], failed)

    state = solver.init(terms, grid.time(0), grid.time(1), y0, args)
    _, (ys, failed) = lax.scan(chunk, (y0, state, jnp.asarray(0)), rows, length=chunks)
    kept = jnp.asarray(grid.saves) // stride
    ys = jax.tree.map(lambda y, ys: jnp.concatenate([y[None], ys])[kept], y0, ys)
    none = jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), y0)
    zero, empty = jnp.asarray(0), jnp.zeros(0, int)
    failed = None if failed is None else failed.any()
    result = Outcome.successful
    if failed is not None:
        result = Outcome.where(failed, Outcome.bad_step, Outcome.successful)
    return Simulation(
        grid.time(jnp.asarray(grid.saves)), ys, jnp.zeros(0), empty, None, none, none,
        zero, empty, result,
    ), failed  # fmt: skip
