"""Any diffrax solver on the ball: its own step, then the projection back inside."""

from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax.numpy as jnp

from gyrax.dynamics.solvers.base import checked_start, langevin_parts, nan_unless, trusted
from gyrax.geometry import project


class Projected(diffrax.AbstractWrappedSolver):
    """Wraps a diffrax solver so that a step which leaves the ball ends on its largest radius.

    **Fields:** `solver`, any Stratonovich solver of diffrax, such as `diffrax.Heun()`.
    """

    # Checked by `init`, whose message says how to build the terms.
    term_structure: ClassVar = diffrax.AbstractTerm

    solver: diffrax.AbstractSolver

    @property
    def interpolation_cls(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the wrapped solver."""
        return self.solver.interpolation_cls

    def order(self, terms: Any) -> Any:
        """That of the wrapped solver."""
        return self.solver.order(terms)

    def strong_order(self, terms: Any) -> Any:
        """One: the noise moves p with a coefficient of z alone, so it commutes, and what diffrax's
        solvers declare for general noise (½) is less than they do here."""
        del terms
        return 1.0

    def error_order(self, terms: Any) -> Any:
        """That of the wrapped solver."""
        return self.solver.error_order(terms)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> Any:
        """The wrapped solver's own state, once the terms are known to be Langevin's."""
        y, valid = checked_start(self, terms, t0, t1, y0, args)
        return self.solver.init(trusted(terms), t0, t1, y, args), valid

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any
    ) -> Any:
        """The wrapped step, projected."""
        drift = langevin_parts(terms).drift
        inner, valid = solver_state
        # A stage, unlike a step, may look outside the ball.
        y1, error, info, inner, result = self.solver.step(
            trusted(terms), t0, t1, nan_unless(valid, y0), args, inner, made_jump
        )
        inside = eqx.tree_at(lambda y: y.z, y1, project(y1.z, jnp.asarray(drift.c, y1.z.dtype)))
        return inside, error, info | {"y1": inside}, (inner, valid), result

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        """The vector field of the terms."""
        return self.solver.func(terms, t0, y0, args)
