"""Many chains of one Langevin equation on the ball, simulated in bounded memory.

The steps are made in chunks by one compiled function, the last state of a chunk starting the next. That
is exact with jumps too: a Poisson process has no memory of the chunk before.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from gyrax._errors import InputError
from gyrax.dynamics import (
    BallJumpProcess,
    Outcome,
    PhaseState,
    PresampledPath,
    kinetic_energy,
    langevin_terms,
    noise_cells,
    simulate,
    solver_by_name,
)
from gyrax.geometry import conformal_factor, exp_map
from gyrax.runtime.device import compiled
from gyrax.simulation.ensemble import Ensemble
from gyrax.simulation.plan import Plan
from gyrax.simulation.setup import SimulationConfig


def run_chains(
    config: SimulationConfig,
    phi: Callable[[Any], Any],
    plan: Plan,
    progress: Callable[[int], None] = lambda _: None,
) -> Ensemble:
    """Simulate all chains. Raises `InputError` where a state is no longer finite."""
    advance = make_advance(config, phi, plan)
    start, noise = jr.split(jr.key(config.seed))
    y, first = start_chains(config, phi, key=start)
    columns, counts = [first], jnp.zeros((config.chains,), int)
    program = compiled(advance, y, counts, noise)
    progress(0)
    began = time.perf_counter()
    chunks = math.ceil(config.steps / plan.chunk)
    for i in range(chunks):
        y, counts, column, overflow = program(y, counts, jr.fold_in(noise, i))
        column = jax.tree.map(np.asarray, column)
        _check_chunk(config, column, overflow, (i + 1) * plan.chunk * config.dt)
        if (i + 1) % plan.keep == 0:
            columns.append(column)
        progress(min((i + 1) * plan.chunk, config.steps))
    seconds = time.perf_counter() - began
    kept = config.steps // plan.stride + 1
    z, p, potential, energies, jumps = (
        np.concatenate(parts, axis=1)[:, :kept] for parts in zip(*columns, strict=True)
    )
    times = np.arange(kept) * plan.stride * config.dt
    speed = config.chains * chunks * plan.chunk / seconds
    return Ensemble(config, times, z, p, potential, energies, jumps, speed)


def start_chains(config: SimulationConfig, phi: Callable[[Any], Any], *, key: Any) -> tuple:
    """States at t = 0, and their row to save: points about the origin at a root mean square distance
    of 1, momenta from N(0, Tλ²)."""
    place, speed = jr.split(key)
    shape, c = (config.chains, config.dim), config.curvature
    tangent = 0.5 * jr.normal(place, shape) / config.dim**0.5
    z = exp_map(jnp.zeros(shape), tangent, c)
    p = config.temperature**0.5 * conformal_factor(z, c)[:, None] * jr.normal(speed, shape)
    potential = jax.jit(jax.vmap(phi))(z)
    row = (z, p, potential, potential + kinetic_energy(z, p, c), jnp.zeros(config.chains, int))
    return PhaseState(z, p), tuple(np.asarray(x)[:, None] for x in row)


def make_advance(config: SimulationConfig, phi: Callable[[Any], Any], plan: Plan) -> Any:
    """The jitted `advance(states, counts, key) -> (states, counts, saved columns, overflow)` over one
    chunk."""
    solver, c, span = solver_by_name(config.solver), config.curvature, plan.chunk * config.dt
    cells = noise_cells(solver)
    jumps = BallJumpProcess(lambda t, z, args: config.jump_rate, lambda t, z, args, mark: -z)
    expected = config.jump_rate * span
    max_jumps = math.ceil(expected + 8 * expected**0.5 + 16)

    def brownian_path(key: Any) -> Any:
        if not config.thermostat:
            return None
        if config.jumps:  # which fall at any time
            tol = 0.5 * config.dt / cells
            shape = (config.dim,)
            return diffrax.VirtualBrownianTree(0.0, span, tol=tol, shape=shape, key=key)
        path = PresampledPath.sample(0.0, span, plan.chunk * cells, config.dim, key=key)
        return replace(path, checked=False)

    def advance_chain(y: PhaseState, count: Array, key: Any) -> tuple:
        noise, events = jr.split(key)
        terms = langevin_terms(
            lambda t, z, args: jax.grad(phi)(z),
            friction=config.friction,
            temperature=config.temperature,
            path=brownian_path(noise),
            field=uniform_field(config),
            c=c,
            checked=False,
        )
        solution = simulate(
            terms, solver, 0.0, span, config.dt, y, key=events, saveat=plan.saves, throw=False,
            jumps=jumps if config.jumps else None, max_jumps=max_jumps,
        )  # fmt: skip
        z, p = solution.ys.z, solution.ys.p
        potential = jax.vmap(phi)(z)
        counts = count + jnp.sum(solution.jump_times <= solution.ts[:, None], axis=1)
        rows = (z, p, potential, potential + kinetic_energy(z, p, c), counts)
        overflow = solution.result == Outcome.overflow
        return PhaseState(z[-1], p[-1]), counts[-1], rows, overflow

    return jax.jit(lambda y, n, key: jax.vmap(advance_chain)(y, n, jr.split(key, config.chains)))


def uniform_field(config: SimulationConfig) -> Callable[..., Any] | None:
    """The field F = λ²BJ, which turns the velocity at the rate B in each of the planes (1, 2), (3, 4),
    ... of the coordinates; None where B = 0."""
    if config.field == 0:
        return None
    turn = np.zeros((config.dim, config.dim))
    for i in range(0, config.dim - 1, 2):
        turn[i, i + 1], turn[i + 1, i] = -config.field, config.field
    return lambda t, z, args: (
        conformal_factor(z, config.curvature) ** 2 * jnp.asarray(turn, z.dtype)
    )


def _check_chunk(config: SimulationConfig, column: tuple, overflow: Any, t: float) -> None:
    if np.any(overflow):
        raise InputError(
            f"more jumps fell before t = {t:g} than there is room for; lower --jump-rate, found "
            f"{config.jump_rate}."
        )
    if not all(np.isfinite(values).all() for values in column[:4]):
        raise InputError(
            f"the simulation diverged before t = {t:g}: lower --dt, found {config.dt}."
        )
