"""What is set for a GPU, seen from a machine without one, and how programs are traced."""

import gc
import os
from importlib.metadata import version

import jax
import jax.numpy as jnp
import pytest

from gyrax.training.device import keep_float32, lowered, use_measured_compiler

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


def test_the_collector_waits_for_a_trace_and_goes_on_after_it_even_if_it_fails():
    seen = []

    def function(x):
        seen.append(gc.isenabled())
        return x["there"]

    assert float(lowered(jax.jit(function), {"there": 1.0}).compile()({"there": 2.0})) == 2.0
    with pytest.raises(KeyError):
        lowered(jax.jit(function), {"elsewhere": 1.0})
    assert seen == [False, False]
    assert gc.isenabled()


def test_compiler_flags_of_the_user_stand(monkeypatch):
    ynn = "--xla_cpu_experimental_ynn_fusion_type"
    monkeypatch.setenv("XLA_FLAGS", f"{ynn}=individual_dot")
    use_measured_compiler()
    use_measured_compiler()
    flags = os.environ["XLA_FLAGS"].split()
    assert [flag for flag in flags if flag.startswith(ynn)] == [f"{ynn}=individual_dot"]
    emitters = [flag for flag in flags if "fusion_emitters" in flag]
    assert len(emitters) == version("jaxlib").startswith("0.10.")
    monkeypatch.delenv("XLA_FLAGS")
    use_measured_compiler()
    assert f"{ynn}=dot" in os.environ["XLA_FLAGS"].split()
