"""What is measured on an ensemble: means with their errors, distances, kinetic temperature."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gyrax.geometry import conformal_factor, distance
from gyrax.simulation.ensemble import Ensemble


class Measured(NamedTuple):
    """A mean over the second half of all chains, and its standard error (NaN for a single chain)."""

    mean: float
    error: float


def measure(values: Float[np.ndarray, "chains saves"]) -> Measured:
    """The mean over the second half; its error from the chains' own means, which are independent."""
    means = values[:, values.shape[1] // 2 :].astype(float).mean(1)
    error = means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else np.nan
    return Measured(float(means.mean()), float(error))


def radii(ensemble: Ensemble) -> Float[np.ndarray, "chains saves"]:
    """d(0, z) of every saved state."""
    z = jnp.asarray(ensemble.positions)
    return np.asarray(distance(jnp.zeros_like(z), z, ensemble.config.curvature))


def kinetic_temperature(ensemble: Ensemble) -> Float[np.ndarray, "chains saves"]:
    """λ⁻²‖p‖²/D of every saved state, whose mean in equilibrium is T."""
    scale = np.asarray(conformal_factor(jnp.asarray(ensemble.positions), ensemble.config.curvature))
    return np.mean((ensemble.momenta / scale[..., None]) ** 2, axis=-1)


def at_the_edge(ensemble: Ensemble) -> int:
    """How many chains end where the coordinates hold no more digits of the distance."""
    last = ensemble.positions[:, -1]
    radius = np.linalg.norm(last, axis=-1) * ensemble.config.curvature**0.5
    return int(np.sum(radius > 1.0 - 64 * np.finfo(last.dtype).eps))
