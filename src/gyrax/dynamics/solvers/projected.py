"""Any diffrax solver on the ball: its own step, then the projection back inside."""

from typing import Any

import diffrax
import equinox as eqx

from gyrax.dynamics.solvers.base import langevin_parts
from gyrax.geometry import project


class Projected(diffrax.AbstractWrappedSolver):
    """Wraps a diffrax solver so that a step which leaves the ball ends on its largest radius."""

    solver: diffrax.AbstractSolver

    @property
    def term_structure(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the wrapped solver."""
        return self.solver.term_structure

    @property
    def interpolation_cls(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the wrapped solver."""
        return self.solver.interpolation_cls

    def order(self, terms: Any) -> Any:
        """That of the wrapped solver."""
        return self.solver.order(terms)

    def strong_order(self, terms: Any) -> Any:
        """That of the wrapped solver."""
        return self.solver.strong_order(terms)

    def error_order(self, terms: Any) -> Any:
        """That of the wrapped solver."""
        return self.solver.error_order(terms)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> Any:
        """The wrapped solver's own state, once the terms are known to be Langevin's."""
        langevin_parts(terms)
        return self.solver.init(terms, t0, t1, y0, args)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any
    ) -> Any:
        """The wrapped step, projected."""
        drift = langevin_parts(terms).drift
        y1, error, info, state, result = self.solver.step(
            terms, t0, t1, y0, args, solver_state, made_jump
        )
        inside = eqx.tree_at(lambda y: y.z, y1, project(y1.z, drift.c))
        return inside, error, info | {"y1": inside}, state, result

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        """The vector field of the terms."""
        return self.solver.func(terms, t0, y0, args)
