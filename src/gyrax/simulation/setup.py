"""What a simulation on the ball is asked to do: its parameters, their checks, and the named potentials."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._errors import InputError
from gyrax.dynamics import letters, solver_by_name
from gyrax.fields.potential import drive
from gyrax.geometry import distance

WELL = 1.5
WORLD_MODEL = "world-model"


@dataclass(frozen=True)
class SimulationConfig:
    """Every parameter of a simulation; the flags of the command take their defaults from here."""

    potential: str = "harmonic"
    checkpoint: Path | None = None
    dim: int = 2
    temperature: float = 0.3
    friction: float = 1.0
    field: float = 0.0
    curvature: float = 1.0
    solver: str = "baoab"
    dt: float = 0.05
    steps: int = 2000
    chains: int = 64
    jumps: bool = False
    jump_rate: float = 0.2
    seed: int = 0

    @property
    def thermostat(self) -> bool:
        """Whether noise acts, so that there is a law to sample."""
        return self.friction > 0 and self.temperature > 0


class Potential(NamedTuple):
    """A named potential `phi(z, c)`, symmetric under z ↦ −z and about the first axis; `confining`:
    whether exp(−Φ/T) has a finite integral over the ball."""

    phi: Callable[[Any, Any], Any]
    formula: str
    confining: bool


def harmonic(z: Float[Array, " D"], c: float = 1.0) -> Float[Array, ""]:
    """Φ = d(0, z)²/2."""
    return 0.5 * distance(jnp.zeros_like(z), z, c) ** 2


def double_well(z: Float[Array, " D"], c: float = 1.0) -> Float[Array, ""]:
    """Φ = d(z, a)² d(z, −a)²/ρ⁴, with ±a on the first axis at the distance ρ = 1.5 from the origin.

    Along that axis, at distance x, it is the quartic (x²/ρ² − 1)²: wells of depth 1 at ±ρ.
    """
    a = jnp.zeros_like(z).at[0].set(jnp.tanh(0.5 * c**0.5 * WELL) / c**0.5)
    return (distance(z, a, c) * distance(z, -a, c) / WELL**2) ** 2


POTENTIALS = {
    "harmonic": Potential(harmonic, "d(0,z)²/2", True),
    "drive": Potential(drive, "-d(0,z)", False),
    "double-well": Potential(double_well, f"d(z,a)² d(z,-a)²/ρ⁴, d(0,±a) = ρ = {WELL}", True),
}


def describe(config: SimulationConfig) -> str:
    """The parameters of a simulation in one line."""
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
    for name in ("dt", "curvature", "temperature", "friction", "jump_rate", "field"):
        value = getattr(config, name)
        least = "any" if name == "field" else "zero" if name in ("temperature", "friction") else ""
        good = {"any": True, "zero": value >= 0, "": value > 0}[least]
        if not (good and math.isfinite(value)):
            expected = {"any": "a finite", "zero": "zero or a positive", "": "a positive"}[least]
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
    """The name of the potential, spelt with hyphens. `InputError` where it or `checkpoint` is off."""
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
    from gyrax.model.folded import FoldedWorldModel
    from gyrax.training.loop import load_system, open_checkpoint

    resumed = open_checkpoint(config.checkpoint)
    if resumed.meta.phase == 1:
        raise InputError(
            f"--checkpoint {resumed.path}: is of phase 1, before the world model is trained; give one "
            "of phase 2 or 3."
        )
    trained = resumed.meta.config
    model = load_system(resumed).world_model
    folded = FoldedWorldModel(model)
    weights = jnp.full((trained.num_charts,), 1.0 / trained.num_charts)
    config = replace(config, dim=trained.latent_dim, curvature=trained.curvature)
    return config, lambda z: folded.phi(z, weights)
