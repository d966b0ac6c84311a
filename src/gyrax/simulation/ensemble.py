"""The saved states of a simulation, and the file that keeps them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from gyrax.runtime.files import written_whole
from gyrax.simulation.setup import SimulationConfig


@dataclass(frozen=True)
class Ensemble:
    """Saved states of all chains, from t = 0 on, and how they were made.

    `potential` is Φ, `energies` H = Φ + ½λ⁻²‖p‖²; `jump_counts` count from t = 0.
    """

    config: SimulationConfig
    times: Float[np.ndarray, " saves"]
    positions: Float[np.ndarray, "chains saves D"]
    momenta: Float[np.ndarray, "chains saves D"]
    potential: Float[np.ndarray, "chains saves"]
    energies: Float[np.ndarray, "chains saves"]
    jump_counts: Int[np.ndarray, "chains saves"]
    steps_per_second: float

    def save(self, file: Path) -> None:
        """Write all of it as .npz, the parameters as the JSON text `parameters`."""
        names = ("times", "positions", "momenta", "potential", "energies", "jump_counts")
        with written_whole(file) as partial, partial.open("wb") as stream:
            np.savez(
                stream,
                **{name: getattr(self, name) for name in names},
                parameters=np.array(json.dumps(asdict(self.config), default=str)),
            )
