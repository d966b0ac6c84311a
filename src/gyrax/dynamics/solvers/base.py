"""The step that all splitting solvers share: walk the stages of a word, evaluating a force only where
the position has moved since the last one."""

import abc
from typing import Any, ClassVar, NamedTuple

import diffrax
import equinox as eqx
import jax.lax as lax
import jax.numpy as jnp

from gyrax.dynamics.flows import kick_flow, thermostat_flow
from gyrax.dynamics.splitting import Stage
from gyrax.dynamics.terms import Forces, LangevinDiffusion, LangevinDrift, PhaseState, Scalar


class LangevinParts(NamedTuple):
    """The parts of `langevin_terms`, and the direction (±1) in which diffrax runs them."""

    drift: LangevinDrift
    diffusion: LangevinDiffusion
    direction: Any


def langevin_parts(terms: Any) -> LangevinParts:
    """Read the parts off `langevin_terms(...)`; `ValueError` for any other terms."""
    parts = getattr(terms, "terms", ())
    if len(parts) == 2:
        # diffeqsolve wraps each term with the direction of time, and runs it forwards.
        direction = getattr(parts[0], "direction", 1)
        drift, diffusion = (p.term if hasattr(p, "direction") else p for p in parts)
        if isinstance(drift, LangevinDrift) and isinstance(diffusion, LangevinDiffusion):
            return LangevinParts(drift, diffusion, direction)
    raise ValueError(
        f"a solver on the ball was given {type(terms).__name__}; it needs the parts of the Langevin "
        "equation: build the terms with gyrax.langevin_terms(...)."
    )


class AbstractSplitting(diffrax.AbstractStratonovichSolver):
    """A solver that composes the flows A, B and O; a final class says which stages and which A."""

    term_structure: ClassVar = diffrax.AbstractTerm
    interpolation_cls: ClassVar = diffrax.LocalLinearInterpolation

    stages: eqx.AbstractVar[tuple[Stage, ...]]

    @abc.abstractmethod
    def drift_flow(self, y: PhaseState, t: Scalar, c: Scalar) -> PhaseState:
        """The flow A for a time `t` on the ball of curvature −c."""

    @property
    def _reuses_force(self) -> bool:
        """Whether the last kick of a step is made where the first kick of the next one is."""
        letters = "".join(stage.letter for stage in self.stages)
        return letters.find("B") < letters.find("A") and letters.rfind("B") > letters.rfind("A")

    def _check(self, terms: Any, t0: Any, t1: Any) -> None:
        drift, _, _ = langevin_parts(terms)
        if not any(stage.letter == "O" for stage in self.stages):
            eqx.error_if(
                jnp.asarray(drift.friction),
                jnp.asarray(drift.friction) != 0,
                "the splitting word has no O, so friction and noise would be left out: use a word "
                "with O, such as BAOAB, or friction=0.",
            )
        eqx.error_if(
            jnp.asarray(t0), jnp.asarray(t0 == t1), "the step is zero; use a dt0 other than 0."
        )

    def init(self, terms: Any, t0: Any, t1: Any, y0: PhaseState, args: Any) -> Forces | None:
        """Check the terms, and evaluate the force of the first kick."""
        drift, _, direction = langevin_parts(terms)
        self._check(terms, t0, t1)
        return drift.forces(t0 * direction, y0.z, args) if self._reuses_force else None

    def step(
        self,
        terms: Any,
        t0: Any,
        t1: Any,
        y0: PhaseState,
        args: Any,
        solver_state: Forces | None,
        made_jump: Any,
    ) -> tuple[PhaseState, None, dict, Forces | None, diffrax.RESULTS]:
        """One step over [t0, t1], stage by stage."""
        drift, diffusion, direction = langevin_parts(terms)
        h = (t1 - t0) * direction
        start = t0 * direction
        y, forces = y0, solver_state
        if forces is not None and made_jump is not False:
            fresh = lambda: drift.forces(start, y0.z, args)
            forces = fresh() if made_jump is True else lax.cond(made_jump, fresh, lambda: forces)
        for stage in self.stages:
            t = h * stage.duration
            if stage.letter == "A":
                y, forces = self.drift_flow(y, t, drift.c), None
            elif stage.letter == "B":
                if forces is None:
                    forces = drift.forces(start + h * stage.clock, y.z, args)
                p = kick_flow(y.z, y.p, forces, t, beta=drift.beta, c=drift.c)
                y = PhaseState(y.z, p)
            else:
                begin = t0 + (t1 - t0) * stage.start
                end = (
                    t1
                    if stage.start + stage.duration >= 1.0
                    else begin + (t1 - t0) * stage.duration
                )
                p = thermostat_flow(
                    y.z,
                    y.p,
                    terms.terms[1].contr(begin, end),
                    t,
                    friction=diffusion.friction,
                    temperature=diffusion.temperature,
                    c=diffusion.c,
                )
                y = PhaseState(y.z, p)
        return y, None, dict(y0=y0, y1=y), forces if self._reuses_force else None, RESULT

    def func(self, terms: Any, t0: Any, y0: PhaseState, args: Any) -> Any:
        """The vector field of the terms."""
        return terms.vf(t0, y0, args)


RESULT = diffrax.RESULTS.successful
