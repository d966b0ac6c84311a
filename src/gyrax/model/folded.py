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

    `forces` has critic and risk, control, and curl, of those fields that act; `readout` the jump rate.
    """

    fields: Fields
    acting: tuple[str, ...] = eqx.field(static=True)
    force_heads: FoldedAttention | None
    rate_head: FoldedAttention
    potential_heads: FoldedAttention | None
    chart_target: FoldedChartTarget
    jump_operator: FoldedJumpOperator

    def __init__(self, fields: Fields, acting: tuple[str, ...]):
        """Fold once, outside of any loop over steps; under `vmap` with the fields unbatched this is
        done once per batch. `acting`: which of potential, control and curl move the state."""
        self.fields, self.acting = fields, acting
        parts = {name: getattr(fields, name).fold() for name in acting}
        self.potential_heads = parts.get("potential")
        self.force_heads = stack_fields(list(parts.values())) if parts else None
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
        fields, kick, curl = self.fields, jnp.zeros_like(z), None
        read = () if self.force_heads is None else self.force_heads(z, action, w)[0]
        for name, out in zip(self.acting, read, strict=True):
            if name == "control":
                kick = kick - fields.control.read(z, out[0])
            elif name == "curl":
                curl = fields.curl.read(z, out[0])
            elif fields.potential.force == "gradient":
                kick = kick + jax.grad(self.phi)(z, w)
            else:
                kick = kick + fields.potential.read(z, out)[0]
        return Forces(kick if frame_force is None else kick - frame_force, curl)

    def readout(self, z: Vector, action: Float[Array, " A"], w: Float[Array, " K"]) -> Readout:
        """Chart logits and jump rate at one state."""
        (out,), _ = self.rate_head(z, jnp.zeros(0, z.dtype), w)
        return Readout(self.chart_target(z, action), self.fields.jump_rate.read(out[0]))

    def phi(self, z: Vector, w: Float[Array, " K"]) -> Float[Array, ""]:
        """Effective potential Φ at one state; zero where the potential does not act."""
        if self.potential_heads is None:
            return jnp.zeros((), z.dtype)
        return self.fields.potential.phi(self.potential_heads, z, w)

    def jump(self, y: PhaseState, source: Int[Array, ""], target: Int[Array, ""]) -> PhaseState:
        """The state carried from chart `source` to chart `target`, of the kinetic energy that it had."""
        return PhaseState(*self.jump_operator.carry(y.z, y.p, source, target))
