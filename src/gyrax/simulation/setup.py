"""What a simulation on the ball is asked to do: its parameters, their checks, and its potential."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from gyrax._errors import InputError
from gyrax.dynamics import letters, solver_by_name
from gyrax.simulation.potentials import POTENTIALS

WORLD_MODEL = "world-model"


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class SimulationConfig:
    """Every parameter of a simulation, with the help text of its command-line option."""

    potential: str = _option(
        "harmonic",
        "harmonic: Φ = d(0,z)²/2. drive: Φ = -d(0,z), outward, of no normalisable law. "
        "double-well: Φ = d(z,a)² d(z,-a)²/ρ⁴ with ±a on the first axis at d(0,±a) = ρ = 1.5. "
        "world-model: that of --checkpoint, under uniform chart weights.",
    )
    checkpoint: Path | None = field(
        default=None,
        metadata={"help": "Run folder or checkpoint, for --potential world-model."},
    )
    dim: int = _option(2, "Dimension of the ball; a world model has its own.")
    temperature: float = _option(0.3, "T.")
    friction: float = _option(1.0, "γ; 0 for no noise.")
    field: float = _option(0.0, "Magnetic field: the rate at which it turns velocities.")
    curvature: float = _option(1.0, "c: the ball has curvature -c; a world model has its own.")
    solver: str = _option("baoab", "Solver name or splitting word.")
    dt: float = _option(0.05, "Time step.")
    steps: int = _option(2000, "Number of steps.")
    chains: int = _option(64, "Independent chains.")
    jumps: bool = _option(
        False, "Jumps z -> -z at exact times, which keep the law of the named potentials."
    )
    jump_rate: float = _option(0.2, "Jumps per unit of time, with --jumps.")
    seed: int = _option(0, "Random seed.")

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
    whole = {"dim": 2, "steps": 1, "chains": 1, "seed": 0}
    for name, low in whole.items():
        if getattr(config, name) < low:
            raise InputError(f"--{name} is {getattr(config, name)}; give {low} or more.")
    if config.seed >= 2**32:
        raise InputError(f"--seed is {config.seed}; give one below 2**32.")
    ranges = (
        ("a positive", lambda x: x > 0, ("dt", "curvature", "jump_rate")),
        ("zero or a positive", lambda x: x >= 0, ("temperature", "friction")),
        ("a finite", math.isfinite, ("field",)),
    )
    for expected, good, names in ranges:
        for name in names:
            value = getattr(config, name)
            if not (good(value) and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} is {value}; give {expected} number.")
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
