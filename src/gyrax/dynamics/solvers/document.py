"""The step as the document writes it, kept for ablation and for parity with its implementations."""

from dataclasses import replace

import equinox as eqx

from gyrax.dynamics.solvers.base import AbstractSplitting
from gyrax.dynamics.splitting import Stage, parse_word
from gyrax.dynamics.terms import PhaseState, Scalar
from gyrax.geometry import christoffel, exp_map, sharp


def _document_stages() -> tuple[Stage, ...]:
    return tuple(
        replace(stage, duration=1.0) if stage.letter == "B" else stage
        for stage in parse_word("BAOAB")
    )


class DocumentBAOAB(AbstractSplitting):
    """The document's BAOAB to the letter (docs/model.md, section 4).

    Each of its two B stages kicks for a whole step, so forces act twice; its A corrects the velocity
    by the Christoffel symbols *and* takes the exponential map, with p frozen, so that free flight
    loses energy and the step does not converge to the Langevin equation. Use
    [`GeodesicSplitting`][] for that. The rotation is done by Cayley, which does keep ‖p‖.
    """

    stages: tuple[Stage, ...] = eqx.field(static=True, default_factory=_document_stages)

    def drift_flow(self, y: PhaseState, t: Scalar, c: Scalar) -> PhaseState:
        """exp_z(t(v − (t/2)Γ(v, v))) with v = λ⁻²p, and p as it was."""
        v = sharp(y.z, y.p, c)
        return PhaseState(exp_map(y.z, t * (v - 0.5 * t * christoffel(y.z, v, c)), c), y.p)
