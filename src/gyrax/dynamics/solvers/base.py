"""The step that all splitting solvers share: walk the stages of a word, evaluating a force only where
the position has moved since the last one."""

import abc
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from gyrax.dynamics.checks import checked_field, checked_state, checked_step
from gyrax.dynamics.flows import kick_flow, thermostat_flow
from gyrax.dynamics.require import numpy_for, require
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
    given = getattr(terms, "term", terms)
    raise ValueError(
        f"a solver on the ball was given {type(given).__name__}; it needs the parts of the Langevin "
        "equation: build the terms with gyrax.langevin_terms(...)."
    )


class SplittingState(NamedTuple):
    """What a step hands to the next: the `forces` of its last kick, if the next step's first kick uses
    them again; and `valid`, to which the checks of the initial state are attached under jit."""

    forces: Forces | None
    valid: Bool[Array, ""] | None


def checked_start(
    solver: diffrax.AbstractSolver,
    terms: Any,
    t0: Any,
    t1: Any,
    y0: PhaseState,
    args: Any,
    parts: int = 1,
) -> tuple[PhaseState, Bool[Array, ""] | None]:
    """Check the terms for `solver`, the initial state, the field, the first step, and that the path can be
    asked as often as a step, which may fall into `parts`, asks it."""
    drift, diffusion, direction = langevin_parts(terms)
    if not drift.checked:
        return y0, None
    word, begin, end = letters(solver), t0 * direction, t1 * direction
    y = y0
    if "O" not in word:
        y = require(
            y,
            numpy_for(drift.friction).equal(drift.friction, 0.0),
            f"the splitting word {word} has no O, so friction and noise would be left out: use a word "
            "with O, such as BAOAB, or friction=0.",
        )
    y = checked_state(y, diffusion.path, drift.c)
    y = checked_step(y, begin, end, diffusion.path, word.count("O") * parts)
    y = checked_field(y, drift, begin, end, y.z, args)
    return y, jnp.isfinite(y.z).all()


def trusted(terms: Any) -> Any:
    """The terms without their checks, as they are or as diffrax has wrapped them."""
    is_drift = lambda x: isinstance(x, LangevinDrift)
    return jax.tree.map(
        lambda x: replace(x, checked=False) if is_drift(x) else x, terms, is_leaf=is_drift
    )


def require_on_ball(solver: diffrax.AbstractSolver) -> None:
    """Raise `ValueError` for a solver of diffrax's own, whose steps may leave the ball."""
    inner: Any = solver
    while isinstance(inner, diffrax.AbstractWrappedSolver) and not _knows_the_ball(inner):
        inner = inner.solver
    if not _knows_the_ball(inner):
        name = type(inner).__name__
        raise ValueError(
            f"diffrax's {name} knows nothing of the ball and may step out of it; wrap it, as "
            f"gyrax.dynamics.Projected(diffrax.{name}())."
        )


def _knows_the_ball(solver: Any) -> bool:
    return type(solver).__module__.split(".")[0] != "diffrax"


def nan_unless(valid: Bool[Array, ""] | None, y: PhaseState) -> PhaseState:
    """`y`, or NaN where the initial state was refused."""
    return y if valid is None else PhaseState(jnp.where(valid, y.z, jnp.nan), y.p)


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
        word = letters(self)
        return word.find("B") < word.find("A") and word.rfind("B") > word.rfind("A")

    def init(self, terms: Any, t0: Any, t1: Any, y0: PhaseState, args: Any) -> SplittingState:
        """Check the terms and the start, and evaluate the force of the first kick."""
        parts = langevin_parts(terms)
        y, valid = checked_start(self, terms, t0, t1, y0, args)
        if not self._reuses_force:
            return SplittingState(None, valid)
        return SplittingState(parts.drift.forces(t0 * parts.direction, y.z, args), valid)

    def step(
        self,
        terms: Any,
        t0: Any,
        t1: Any,
        y0: PhaseState,
        args: Any,
        solver_state: SplittingState,
        made_jump: Any,
    ) -> tuple[PhaseState, None, dict, SplittingState, diffrax.RESULTS]:
        """One step over [t0, t1], stage by stage."""
        parts = langevin_parts(terms)
        drift, c = parts.drift, jnp.asarray(parts.drift.c, y0.z.dtype)
        start, h = t0 * parts.direction, (t1 - t0) * parts.direction
        forces, valid = solver_state
        y = nan_unless(valid, y0)
        if forces is not None and made_jump is not False:
            stale, fresh = forces, lambda: drift.forces(start, y0.z, args)
            forces = fresh() if made_jump is True else lax.cond(made_jump, fresh, lambda: stale)
        for stage in self.stages:
            t = jnp.asarray(h * stage.duration, y.z.dtype)
            if stage.letter == "A":
                y, forces = self.drift_flow(y, t, c), None
            elif stage.letter == "B":
                if forces is None:
                    forces = drift.forces(start + h * stage.clock, y.z, args)
                y = PhaseState(y.z, kick_flow(y.z, y.p, forces, t, beta=drift.beta, c=c))
            else:
                y = PhaseState(y.z, self._thermostat(terms, parts, stage, t0, t1, y))
        return y, None, dict(y0=y0, y1=y), solver_state._replace(forces=self._kept(forces)), RESULT

    def _kept(self, forces: Forces | None) -> Forces | None:
        return forces if self._reuses_force else None

    def _thermostat(
        self, terms: Any, parts: LangevinParts, stage: Stage, t0: Any, t1: Any, y: PhaseState
    ) -> Any:
        """O over the stage's share of [t0, t1], with the increment of the path over it."""
        h, diffusion = t1 - t0, parts.diffusion
        begin = t0 + h * stage.start
        end = t1 if stage.stop == 1.0 else t0 + h * stage.stop
        return thermostat_flow(
            y.z,
            y.p,
            terms.terms[1].contr(begin, end),
            h * parts.direction * stage.duration,
            friction=diffusion.friction,
            temperature=diffusion.temperature,
            c=diffusion.c,
        )

    def func(self, terms: Any, t0: Any, y0: PhaseState, args: Any) -> Any:
        """The vector field of the terms."""
        return terms.vf(t0, y0, args)


RESULT = diffrax.RESULTS.successful


def letters(solver: diffrax.AbstractSolver) -> str:
    """The word of a splitting solver; "O" for any other, which integrates the whole equation."""
    if isinstance(solver, AbstractSplitting):
        return "".join(stage.letter for stage in solver.stages)
    return "O"


def noise_cells(solver: diffrax.AbstractSolver) -> int:
    """How many Brownian increments a step of `solver` reads: one for each O of a splitting word."""
    return max(1, letters(solver).count("O"))
