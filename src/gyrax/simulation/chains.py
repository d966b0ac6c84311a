"""What `python cli.py simulate` does: many chains of one Langevin equation on the ball, in bounded memory.

The steps are made in chunks by one compiled function, the last state of a chunk starting the next. That
is exact with jumps too: a Poisson process has no memory of the chunk before.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int
from rich.console import Console

from gyrax._errors import InputError
from gyrax.dynamics import (
    JumpProcess,
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
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import compiled, prepare_device
from gyrax.runtime.files import written_whole
from gyrax.simulation.setup import (
    SimulationConfig,
    check_config,
    describe,
    resolve,
)
from gyrax.training.settings import check_choice

SAVED_BYTES = 40_000_000  # of states; the file stays below 50 MB
NOISE_BYTES = 32_000_000
CHUNK_CELLS = 8192  # of a Brownian path, whose times float32 must tell apart
CHUNK_JUMPS = 100  # expected, of one chain


@dataclass(frozen=True)
class Ensemble:
    """Saved states of all chains, from t = 0 on, and how they were made.

    `potential` is Φ, `energies` H = Φ + ½λ⁻²‖p‖²; `jump_counts` count from t = 0.
    """

    config: SimulationConfig
    times: Float[np.ndarray, " saves"]
    positions: Float[np.ndarray, "chains saves D"]
    momenta: Float[np.ndarray, "chains saves D"]
    potential: Float[np.ndarray, "chains saves"]
    energies: Float[np.ndarray, "chains saves"]
    jump_counts: Int[np.ndarray, "chains saves"]
    steps_per_second: float

    def save(self, file: Path) -> None:
        """Write all of it as .npz, the parameters as the JSON text `parameters`."""
        names = ("times", "positions", "momenta", "potential", "energies", "jump_counts")
        with written_whole(file) as partial, partial.open("wb") as stream:
            np.savez(
                stream,
                **{name: getattr(self, name) for name in names},
                parameters=np.array(json.dumps(asdict(self.config), default=str)),
            )


def simulate_run(
    config: SimulationConfig, *, out: Path, overwrite: bool, device: str, console: Console
) -> Path:
    """Simulate, save `simulation.npz` and `simulation.png` in `out`, and print a table.

    Raises `InputError` for anything unusable, before any file is touched.
    """
    from gyrax.simulation import figure as shown

    check_choice("device", device)
    check_config(config)
    data, picture = out / "simulation.npz", out / "simulation.png"
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder.")
    if data.exists() and not overwrite:
        raise InputError(
            f"--out {out}: already holds simulation.npz; replace it with --overwrite, or give another "
            "folder."
        )
    platform = prepare_device(device)
    config, phi = resolve(config)
    plan = make_plan(config)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot be made ({error.strerror}); give another one."
        ) from None
    console.print(f"{config.chains} chains of {config.steps} steps on {platform}", highlight=False)
    console.print(describe(config), soft_wrap=True, highlight=False)
    with make_progress(console) as progress:
        task = progress.add_task("simulating", total=config.steps, note="compiling")
        ensemble = run_chains(
            config, phi, plan, lambda n: progress.update(task, completed=n, note="steps")
        )
    law = shown.exact_law(config)
    ensemble.save(data)
    shown.simulation_figure(ensemble, law, picture)
    console.print(shown.simulation_table(ensemble, law))
    for line in shown.notes(ensemble, law):
        console.print(line, soft_wrap=True, highlight=False)
    for what, path in (("figure", picture), ("states", data)):
        console.print(f"{what}: {path}", soft_wrap=True, highlight=False)
    return out


class Plan(NamedTuple):
    """How the steps are divided: chunks of `chunk` steps with `saves` saves each, of which every
    `keep`-th is kept. The last chunk may go past the end; what is past is dropped."""

    chunk: int
    saves: int
    keep: int

    @property
    def stride(self) -> int:
        """Steps between states that are kept."""
        return self.chunk // self.saves * self.keep


def make_plan(config: SimulationConfig) -> Plan:
    """Chunks and saves within the bounds of memory. Raises `InputError` where no plan fits."""
    item = jnp.zeros(()).itemsize
    row = config.chains * ((2 * config.dim + 2) * item + 4)
    rows = SAVED_BYTES // row
    if rows < 4:
        raise InputError(
            f"--chains {config.chains} with dimension {config.dim} makes {row / 1e6:.0f} MB a saved "
            f"state of {SAVED_BYTES / 1e6:.0f} MB in all; lower --chains."
        )
    cells = noise_cells(solver_by_name(config.solver))
    longest = min(
        NOISE_BYTES // (config.chains * config.dim * item * cells),
        CHUNK_CELLS // cells,
        max(50, config.steps // 100),
        config.steps,
    )
    if config.jumps:
        longest = min(longest, int(CHUNK_JUMPS / (config.jump_rate * config.dt)))
    longest = max(longest, 1)
    stride = math.ceil(config.steps / (rows - 1))
    if stride > longest:
        keep = math.ceil(stride / longest)
        return Plan(math.ceil(stride / keep), 1, keep)
    saves = longest // stride
    return Plan(saves * stride, saves, 1)


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
    cells, shape = noise_cells(solver), (config.dim,)
    jumps = JumpProcess(lambda t, z, args: config.jump_rate, lambda t, z, args, mark: -z)
    expected = config.jump_rate * span
    room = math.ceil(expected + 8 * expected**0.5 + 16)

    def path_of(key: Any) -> Any:
        if not config.thermostat:
            return None
        if config.jumps:  # which fall at any time
            tol = 0.5 * config.dt / cells
            return diffrax.VirtualBrownianTree(0.0, span, tol=tol, shape=shape, key=key)
        path = PresampledPath.sample(0.0, span, plan.chunk * cells, config.dim, key=key)
        return replace(path, checked=False)

    def one(y: PhaseState, count: Array, key: Any) -> tuple:
        noise, events = jr.split(key)
        terms = langevin_terms(
            lambda t, z, args: jax.grad(phi)(z),
            friction=config.friction,
            temperature=config.temperature,
            path=path_of(noise),
            field=uniform_field(config),
            c=c,
            checked=False,
        )
        made = simulate(
            terms, solver, 0.0, span, config.dt, y, key=events, saveat=plan.saves, throw=False,
            jumps=jumps if config.jumps else None, max_jumps=room,
        )  # fmt: skip
        z, p = made.ys.z, made.ys.p
        potential = jax.vmap(phi)(z)
        seen = count + jnp.sum(made.jump_times <= made.ts[:, None], axis=1)
        rows = (z, p, potential, potential + kinetic_energy(z, p, c), seen)
        return PhaseState(z[-1], p[-1]), seen[-1], rows, made.result == Outcome.overflow

    return jax.jit(lambda y, n, key: jax.vmap(one)(y, n, jr.split(key, config.chains)))


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
