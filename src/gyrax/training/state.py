"""The state of training: one pytree that a checkpoint holds whole."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Int

from gyrax._types import PRNGKey


class TrainState(eqx.Module):
    """Everything that changes during training.

    **Fields:** `system`, a [`System`][gyrax.model.system.System] or another module that is trained in
    its stead; `optimiser`, optax's state for the running phase; `step`, updates made in this phase;
    `epoch`, epochs finished in this phase; `key`, from which every epoch's order and every step's
    noise are derived by number; `phase`, 1 to 3.
    """

    system: Any
    optimiser: Any
    step: Int[Array, ""]
    epoch: Int[Array, ""]
    key: PRNGKey
    phase: int = eqx.field(static=True)
