"""What a rollout returns."""

import equinox as eqx
from jaxtyping import Bool, Float

from gyrax._types import AnyArray


class Trajectory(eqx.Module):
    """A rollout of H frames, on the device or the host; entry i is the state after action i.

    **Fields:** `positions`, points, shape `(H, D)`; `momenta`, covectors, `(H, D)`; `chart_logits`, `(H, K)`;
    `chart_weights` = softmax(logits), `(H, K)`; and of shape `(H,)`: `jump_rates`, per unit of model time;
    `jump_mask`, where the point was carried to another chart; `effective_potential`, Φ; `kinetic_energy`,
    ½λ⁻²‖p‖². In a batch, its axes come first.
    """

    positions: Float[AnyArray, "*batch H D"]
    momenta: Float[AnyArray, "*batch H D"]
    chart_logits: Float[AnyArray, "*batch H K"]
    chart_weights: Float[AnyArray, "*batch H K"]
    jump_rates: Float[AnyArray, "*batch H"]
    jump_mask: Bool[AnyArray, "*batch H"]
    effective_potential: Float[AnyArray, "*batch H"]
    kinetic_energy: Float[AnyArray, "*batch H"]

    @property
    def energy(self) -> Float[AnyArray, "*batch H"]:
        """H = Φ + ½λ⁻²‖p‖²."""
        return self.effective_potential + self.kinetic_energy


class Rollout(eqx.Module):
    """What every forecaster answers.

    **Fields:** `points`, of the ball, shape `(H, D)`; `trajectory`, of forecasters that move a state with
    momentum and charts, in their own coordinates and metric; None of others.
    """

    points: Float[AnyArray, "*batch H D"]
    trajectory: Trajectory | None = None
