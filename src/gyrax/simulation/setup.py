"""What a simulation on the ball is asked to do: its parameters, their checks, and its potential."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from gyrax._errors import InputError
from gyrax.dynamics import letters, solver_by_name
from gyrax.dynamics.checks import SHORTEST
from gyrax.runtime.options import check_options, option
from gyrax.simulation.potentials import POTENTIALS

WORLD_MODEL = "world-model"


@dataclass(frozen=True)
class SimulationConfig:
    """Every parameter of a simulation, with the help text of its command-line option."""

    potential: str = option(
        "harmonic",
        "harmonic: Φ = d(0,z)²/2. drive: Φ = -d(0,z), outward, of no normalisable law. "
        "double-well: Φ = d(z,a)² d(z,-a)²/ρ⁴ with ±a on the first axis at d(0,±a) = ρ = 1.5. "
        "world-model: that of --checkpoint, under uniform chart weights.",
    )
    checkpoint: Path | None = option(None, "Run folder or checkpoint, for --potential world-model.")
    dim: int = option(2, "Dimension of the ball; a world model has its own.", least=2, most=10_000)
    temperature: float = option(0.3, "T.", least=0)
    friction: float = option(1.0, "γ; 0 for no noise.", least=0)
    field: float = option(0.0, "Magnetic field: the rate at which it turns velocities.")
    curvature: float = option(
        1.0, "c: the ball has curvature -c; a world model has its own.", least=1e-6, most=100
    )
    solver: str = option("baoab", "Solver name or splitting word.")
    dt: float = option(0.05, "Time step.", above=0)
    steps: int = option(2000, "Number of steps.", least=1, most=10**9)
    chains: int = option(64, "Independent chains.", least=1)
    jumps: bool = option(
        False, "Jumps z -> -z at exact times, which keep the law of the named potentials."
    )
    jump_rate: float = option(0.2, "Jumps per unit of time, with --jumps.", above=0)
    seed: int = option(0, "Random seed.", least=0)

    @property
    def thermostat(self) -> bool:
        """Whether noise acts, so that there is a law to sample."""
        return self.friction > 0 and self.temperature > 0


def describe(config: SimulationConfig) -> str:
    """The equation and the solver in one line."""
    named = POTENTIALS.get(config.potential)
    formula = "" if named is None else f" Φ = {named.formula}"
    field = f", field {config.field:g}" if config.field else ""
    jumps = f", jumps at rate {config.jump_rate:g}" if config.jumps else ""
    return (
        f"{config.potential}{formula}: D = {config.dim}, c = {config.curvature:g}, "
        f"T = {config.temperature:g}, γ = {config.friction:g}{field}{jumps}; "
        f"{config.solver}, dt = {config.dt:g}"
    )


def check_config(config: SimulationConfig) -> None:
    """Raise `InputError` for the first parameter that cannot be simulated."""
    check_options(SimulationConfig, vars(config))
    _check_resolved(config)
    if "O" not in letters(solver_by_name(config.solver)) and config.friction > 0:
        raise InputError(
            f"--solver {config.solver} has no O, so --friction {config.friction} would be left out; "
            "use a word with O such as baoab, or --friction 0."
        )
    if config.jumps and config.jump_rate * config.dt > 10:
        raise InputError(
            f"--jump-rate {config.jump_rate} with --dt {config.dt} is over 10 jumps a step; lower one."
        )
    _potential_name(config)


def _check_resolved(config: SimulationConfig) -> None:
    """Raise `InputError` where the coordinates cannot hold what happens: the motion of a step, at the start's
    mean distance of 1 in potentials of that size; friction; heat; or the whole ball, crossed in a step."""
    kind = jnp.zeros(()).dtype
    tiny, edge = SHORTEST * float(jnp.finfo(kind).eps), -float(jnp.log(4 * jnp.finfo(kind).eps))
    finer = f"{kind} cannot hold" + ("" if kind == "float64" else " without JAX_ENABLE_X64=1")
    dt, heat, brake = config.dt, config.temperature, config.friction * config.dt
    if dt < tiny:
        raise InputError(f"--dt is {dt:g}; give {tiny:.1g} or more: {finer} the motion of a step.")
    if 0 < heat < tiny**2:
        raise InputError(
            f"--temperature is {heat:g}; give 0, or {tiny**2:.1g} or more: {finer} such small motions."
        )
    if 0 < brake < tiny:
        raise InputError(
            f"--friction {config.friction:g} with --dt {dt:g} slows by {brake:.1g} in a step, which {finer}; "
            "raise one, or give --friction 0."
        )
    if heat**0.5 * dt > edge:
        raise InputError(
            f"--temperature {heat:g} with --dt {dt:g} crosses the whole ball in a step: {finer} more than a "
            f"distance of {edge:.0f}; lower one."
        )


def _potential_name(config: SimulationConfig) -> str:
    """The name of the potential, spelt with hyphens. Raises `InputError` for an unknown one, and for a
    checkpoint that is missing or of no use."""
    name = config.potential.replace("_", "-")
    if name not in (*POTENTIALS, WORLD_MODEL):
        names = ", ".join((*POTENTIALS, WORLD_MODEL))
        raise InputError(f"--potential is {config.potential!r}; give one of {names}.")
    if name == WORLD_MODEL and config.checkpoint is None:
        raise InputError(
            "--potential world-model needs a trained one; give its run folder with --checkpoint."
        )
    if name != WORLD_MODEL and config.checkpoint is not None:
        raise InputError(
            f"--checkpoint {config.checkpoint} is not used by --potential {name}; leave it out, or "
            "use --potential world-model."
        )
    return name


def resolve(config: SimulationConfig) -> tuple[SimulationConfig, Callable[[Any], Any]]:
    """The potential Φ(z), and the configuration with what a checkpoint decides filled in.

    A world model's Φ is read under uniform chart weights. Raises `InputError` for a checkpoint that
    is missing, damaged or without a trained world model.
    """
    name = _potential_name(config)
    config = replace(config, potential=name)
    if config.checkpoint is None:
        return config, lambda z: POTENTIALS[name].phi(z, config.curvature)
    from gyrax.training.checkpoint import open_checkpoint

    checkpoint = open_checkpoint(config.checkpoint)
    if checkpoint.meta.phase == 1:
        raise InputError(
            f"--checkpoint {checkpoint.path}: is of phase 1, before the world model is trained; give one "
            "of phase 2 or 3."
        )
    space, folded = checkpoint.meta.settings.encoder, checkpoint.system().world_model.fold()
    weights = jnp.full((space.num_charts,), 1.0 / space.num_charts)
    config = replace(config, dim=space.latent_dim, curvature=space.curvature)
    return config, lambda z: folded.phi(z, weights)
