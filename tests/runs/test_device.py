"""What is set for a GPU, seen from a machine without one."""

import jax
import jax.numpy as jnp

from gyrax.training.device import keep_float32

PRECISION = "jax_default_matmul_precision"


def product():
    a = jnp.ones((8, 8))
    return jax.jit(jnp.matmul).lower(a, a).as_text()


def test_matrix_products_on_a_gpu_keep_float32_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    before = jax.config.values[PRECISION]
    try:
        jax.config.update(PRECISION, None)
        assert "HIGHEST" not in product()
        keep_float32()
        assert "HIGHEST" in product()
        jax.config.update(PRECISION, "tensorfloat32")
        keep_float32()
        assert "HIGHEST" not in product()
    finally:
        jax.config.update(PRECISION, before)
