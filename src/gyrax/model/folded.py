"""The world model with every product of its parameters made: what a rollout runs, step after step."""

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gyrax.dynamics import Forces, PhaseState
from gyrax.fields.chart_target import FoldedChartTarget
from gyrax.fields.jump_operator import FoldedJumpOperator
from gyrax.nn.attention import FoldedAttention, stack_fields

if TYPE_CHECKING:
    from gyrax.model.world_model import WorldModel

Vector = Float[Array, " D"]


class Readout(NamedTuple):
    """What is read off the fields at one state: chart logits and jump rate."""

    chart_logits: Float[Array, " K"]
    jump_rate: Float[Array, ""]


@runtime_checkable
class Fields(Protocol):
    """What a rollout asks of the fields, at one state."""

    def forces(
        self,
        z: Vector,
        action: Float[Array, " A"],
        w: Float[Array, " K"],
        held: Vector | None = None,
    ) -> Forces:
        """Kick ∂Φ − u and field F; `held` is added to u."""
        ...

    def readout(self, z: Vector, action: Float[Array, " A"], w: Float[Array, " K"]) -> Readout:
        """Chart logits and jump rate."""
        ...

    def phi(self, z: Vector, w: Float[Array, " K"]) -> Float[Array, ""]:
        """Effective potential Φ."""
        ...

    def jump(self, y: PhaseState, source: Int[Array, ""], target: Int[Array, ""]) -> PhaseState:
        """The state carried from chart `source` to chart `target`."""
        ...


class FoldedWorldModel(eqx.Module):
    """Heads that are wanted at the same place are stacked and run as one call.

    `forces` has critic, risk, control and (with Boris rotation) curl; `readout` the jump rate.
    """

    model: "WorldModel"
    force_heads: FoldedAttention
    rate_head: FoldedAttention
    potential_heads: FoldedAttention
    chart_target: FoldedChartTarget
    jump_operator: FoldedJumpOperator

    def __init__(self, model: "WorldModel"):
        """Fold once, outside of any loop over steps; under `vmap` with the model unbatched this is
        done once per batch."""
        self.model = model
        self.potential_heads = model.potential.fold()
        parts = [self.potential_heads, model.control.fold()]
        if model.use_boris:
            parts.append(model.curl.fold())
        self.force_heads = stack_fields(parts)
        self.rate_head = model.jump_rate.fold()
        self.chart_target = model.chart_target.fold()
        self.jump_operator = model.jump_operator.fold()

    def forces(
        self,
        z: Vector,
        action: Float[Array, " A"],
        w: Float[Array, " K"],
        held: Vector | None = None,
    ) -> Forces:
        """Kick ∂Φ − u and field F at one state."""
        model = self.model
        (potential, control, *curl), _ = self.force_heads(z, action, w)
        if model.potential.force == "gradient":
            force = jax.grad(lambda x: model.potential.phi(self.potential_heads, x, w))(z)
        else:
            force, _ = model.potential.read(z, potential)
        field = model.curl.read(z, curl[0][0]) if curl else None
        kick = force - model.control.read(z, control[0])
        return Forces(kick if held is None else kick - held, field)

    def readout(self, z: Vector, action: Float[Array, " A"], w: Float[Array, " K"]) -> Readout:
        """Chart logits and jump rate at one state."""
        (out,), _ = self.rate_head(z, jnp.zeros(0, z.dtype), w)
        return Readout(self.chart_target(z, action), self.model.jump_rate.read(out[0]))

    def jump(self, y: PhaseState, source: Int[Array, ""], target: Int[Array, ""]) -> PhaseState:
        """The state carried from chart `source` to chart `target`, of the kinetic energy that it had."""
        return PhaseState(*self.jump_operator.carry(y.z, y.p, source, target))

    def phi(self, z: Vector, w: Float[Array, " K"]) -> Float[Array, ""]:
        """Effective potential Φ at one state."""
        return self.model.potential.phi(self.potential_heads, z, w)
