"""The Poincaré ball as the domain of the Langevin equation."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool

from gyrax.dynamics.checks import checked_cover, checked_motion
from gyrax.dynamics.domain import AbstractDomain
from gyrax.dynamics.solvers.base import (
    checked_start,
    langevin_parts,
    require_on_ball,
    trusted,
)
from gyrax.dynamics.terms import PhaseState
from gyrax.geometry import project


class Ball(AbstractDomain):
    """The ball of the terms' curvature: its solvers know it, and jumps end inside."""

    def admit(
        self, terms: Any, solver: Any, grid: Any, y0: PhaseState, args: Any, splits: int
    ) -> tuple[Any, PhaseState]:
        """Check what the terms ask to be checked, once, so that no step of a loop has to."""
        require_on_ball(solver)
        parts = langevin_parts(terms)
        if parts.drift.checked:
            path = parts.diffusion.path
            y0, _ = checked_start(solver, terms, grid.t0, grid.t0 + grid.dt, y0, args, splits)
            y0 = checked_cover(y0, grid.t0, grid.t1, path)
            y0 = checked_motion(
                y0, parts.drift, parts.diffusion, grid.t0, grid.dt, grid.steps, args
            )
        return trusted(terms), y0

    def land(self, terms: Any, y: PhaseState) -> tuple[PhaseState, Bool[Array, ""]]:
        """The point projected, and whether it was inside but for rounding."""
        c = jnp.asarray(langevin_parts(terms).drift.c, y.z.dtype)
        good = c * jnp.sum(y.z**2) < 1.0 + jnp.finfo(y.z.dtype).eps ** 0.5
        return PhaseState(project(y.z, c), y.p), good
