"""The peak of this machine, measured."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from gyrax.bench.timing import time_together


class Machine(NamedTuple):
    """The measured peak of this machine: a float32 matrix product and a copy."""

    device: str
    gflops: float
    gbytes: float


def measure_machine() -> Machine:
    """Time a matrix product of 2048² and a copy of 256 MB (read and written)."""
    size = 2048
    a = jnp.ones((size, size))
    long = jnp.ones(64_000_000)
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1.0)
    timing = time_together({"product": lambda: product(a, a), "copy": lambda: copy(long)}, 5)
    return Machine(
        jax.devices()[0].device_kind,
        2.0 * size**3 / min(timing["product"].each) / 1e6,
        2.0 * long.nbytes / min(timing["copy"].each) / 1e6,
    )
