"""The fields with every product of their parameters made: what a rollout runs, step after step."""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gyrax.dynamics import Forces, PhaseState
from gyrax.fields.chart_target import FoldedChartTarget
from gyrax.fields.jump_operator import FoldedJumpOperator
from gyrax.model.fields import Fields
from gyrax.nn.attention import FoldedAttention, stack_fields

Vector = Float[Array, " D"]


class Readout(NamedTuple):
    """What is read off the fields at one state: chart logits and jump rate."""

    chart_logits: Float[Array, " K"]
    jump_rate: Float[Array, ""]


class AbstractRolloutFields(eqx.Module):
    """What a rollout asks of the fields, at one state."""

    @abc.abstractmethod
    def forces(
        self,
        z: Vector,
        action: Float[Array, " A"],
        w: Float[Array, " K"],
        frame_force: Vector | None = None,
    ) -> Forces:
        """Kick ∂Φ − u and field F; `frame_force`, constant over the frame, is added to u."""

    @abc.abstractmethod
    def readout(self, z: Vector, action: Float[Array, " A"], w: Float[Array, " K"]) -> Readout:
        """Chart logits and jump rate."""

    @abc.abstractmethod
    def phi(self, z: Vector, w: Float[Array, " K"]) -> Float[Array, ""]:
        """Effective potential Φ."""

    @abc.abstractmethod
    def jump(self, y: PhaseState, source: Int[Array, ""], target: Int[Array, ""]) -> PhaseState:
        """The state carried from chart `source` to chart `target`, of the same kinetic energy."""


class FoldedFields(AbstractRolloutFields):
    """Heads that are evaluated at the same point are stacked into one call.

    `forces` has critic, risk, control and (with Boris rotation) curl; `readout` the jump rate.
    """

    fields: Fields
    force_heads: FoldedAttention
    rate_head: FoldedAttention
    potential_heads: FoldedAttention
    chart_target: FoldedChartTarget
    jump_operator: FoldedJumpOperator

    def __init__(self, fields: Fields, *, rotates: bool):
        """Fold once, outside of any loop over steps; under `vmap` with the fields unbatched this is
        done once per batch. `rotates`: whether the curl field is wanted."""
        self.fields = fields
        self.potential_heads = fields.potential.fold()
        parts = [self.potential_heads, fields.control.fold()]
        if rotates:
            parts.append(fields.curl.fold())
        self.force_heads = stack_fields(parts)
        self.rate_head = fields.jump_rate.fold()
        self.chart_target = fields.chart_target.fold()
        self.jump_operator = fields.jump_operator.fold()

    def forces(
        self,
        z: Vector,
        action: Float[Array, " A"],
        w: Float[Array, " K"],
        frame_force: Vector | None = None,
    ) -> Forces:
        """Kick ∂Φ − u and field F at one state."""
        fields = self.fields
        (potential, control, *rotation), _ = self.force_heads(z, action, w)
        if fields.potential.force == "gradient":
            force = jax.grad(lambda x: fields.potential.phi(self.potential_heads, x, w))(z)
        else:
            force, _ = fields.potential.read(z, potential)
        curl = fields.curl.read(z, rotation[0][0]) if rotation else None
        kick = force - fields.control.read(z, control[0])
        return Forces(kick if frame_force is None else kick - frame_force, curl)

    def readout(self, z: Vector, action: Float[Array, " A"], w: Float[Array, " K"]) -> Readout:
        """Chart logits and jump rate at one state."""
        (out,), _ = self.rate_head(z, jnp.zeros(0, z.dtype), w)
        return Readout(self.chart_target(z, action), self.fields.jump_rate.read(out[0]))

    def phi(self, z: Vector, w: Float[Array, " K"]) -> Float[Array, ""]:
        """Effective potential Φ at one state."""
        return self.fields.potential.phi(self.potential_heads, z, w)

    def jump(self, y: PhaseState, source: Int[Array, ""], target: Int[Array, ""]) -> PhaseState:
        """The state carried from chart `source` to chart `target`, of the kinetic energy that it had."""
        return PhaseState(*self.jump_operator.carry(y.z, y.p, source, target))
