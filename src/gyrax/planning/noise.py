"""Normal noise with a colour."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey


def coloured_noise(
    key: PRNGKey, shape: tuple[int, int, int], exponent: float
) -> Float[Array, "N K A"]:
    """Normal noise of unit variance whose power falls with frequency f as f^−exponent along the knots.

    Source: Timmer and König 1995; the frequency zero counts as the lowest one.
    """
    count, knots, width = shape
    frequency = np.fft.rfftfreq(knots)
    frequency[0] = frequency[1] if knots > 1 else 1.0
    amplitude = frequency ** (-exponent / 2)
    parts = jr.normal(key, (2, count, len(frequency), width))
    real = np.zeros(len(frequency), bool)
    real[0] = True
    real[-1] |= knots % 2 == 0
    # What has no imaginary part has all its power in the real one.
    spectrum = parts[0] * np.where(real, 2**0.5, 1.0)[:, None] + 1j * (
        parts[1] * np.where(real, 0.0, 1.0)[:, None]
    )
    noise = jnp.fft.irfft(spectrum * amplitude[:, None], n=knots, axis=1)
    # irfft counts each frequency that is not real twice.
    power = np.sum(np.where(real, 2.0, 4.0) * amplitude**2) / knots**2
    return noise / power**0.5
