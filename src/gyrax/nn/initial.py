"""Random initial values, drawn on the host: building a model then compiles nothing.

`jax.random` compiles a program for every new shape, which for a model of a hundred shapes takes longer
than its first training epoch. The draws depend on the key alone. Keys must be concrete: to initialise
an ensemble, build its members one by one and stack them.
"""

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey


def generator(key: PRNGKey) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key."""
    return np.random.default_rng(np.asarray(jr.key_data(key)))


def on_device(values: np.ndarray) -> Float[Array, "*shape"]:
    """Host values at the default precision, rounded on the host: `jnp.asarray` compiles even that."""
    return jax.device_put(np.asarray(values, jax.dtypes.canonicalize_dtype(float)))


def normal(key: PRNGKey, shape: tuple[int, ...], scale: float = 1.0) -> Float[Array, "*shape"]:
    """Normal draws of standard deviation `scale`."""
    return on_device(scale * generator(key).standard_normal(shape))


def kaiming_uniform(key: PRNGKey, shape: tuple[int, ...]) -> Float[Array, "*stack out in"]:
    """Uniform on ±1/√(fan in), the last axis being the fan in (He et al. 2015 with a = √5)."""
    bound = shape[-1] ** -0.5
    return on_device(generator(key).uniform(-bound, bound, shape))
