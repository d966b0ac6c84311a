"""What is set for a GPU, seen from a machine without one, and how programs are traced."""

import gc
import os
from importlib.metadata import version

import jax
import jax.numpy as jnp
import pytest

from gyrax.runtime.device import (
    CPU_OPTIONS,
    compiled,
    keep_float32,
    prepare_device,
    use_measured_compiler,
)

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

    assert float(compiled(jax.jit(function), {"there": 1.0})({"there": 2.0})) == 2.0
    with pytest.raises(KeyError):
        compiled(jax.jit(function), {"elsewhere": 1.0})
    assert seen == [False, False]
    assert gc.isenabled()


def test_only_the_epochs_of_phase_2_are_compiled_otherwise(monkeypatch):
    """The options of a phase reach XLA, which refuses those that it does not know. (conftest.py takes them
    from the other tests.)"""
    monkeypatch.setitem(CPU_OPTIONS, 2, {"xla_backend_optimization_level": 1})
    quick = CPU_OPTIONS[2] if jax.default_backend() == "cpu" else None
    options = {1: None, 2: quick}
    seen = []

    class Program:
        def lower(self):
            return self

        def compile(self, compiler_options):
            seen.append(compiler_options)

    for phase in (*options, None):
        compiled(Program(), phase=phase)
    assert seen == [*options.values(), None]
    assert float(compiled(jax.jit(lambda: 3.0), phase=2)()) == 3.0


def test_compiler_flags_of_the_user_stand(monkeypatch):
    emitters = "--xla_cpu_use_fusion_emitters"
    ynn = (
        ["--xla_cpu_experimental_ynn_fusion_type="] if version("jaxlib").startswith("0.10.") else []
    )
    monkeypatch.setenv("XLA_FLAGS", f"{emitters}=true")
    use_measured_compiler()
    assert os.environ["XLA_FLAGS"].split() == [f"{emitters}=true", *ynn]
    monkeypatch.delenv("XLA_FLAGS")
    use_measured_compiler()
    use_measured_compiler()
    expected = [f"{emitters}=false", *ynn] if version("jaxlib").startswith("0.10.") else []
    assert os.environ["XLA_FLAGS"].split() == expected


def test_without_a_place_for_programs_a_line_says_so(tmp_path, monkeypatch, capsys):
    kept = jax.config.values["jax_compilation_cache_dir"]
    (tmp_path / "file").touch()
    monkeypatch.setenv("GYRAX_CACHE_DIR", str(tmp_path / "file" / "x"))
    try:
        prepare_device("auto")
        assert jax.config.values["jax_compilation_cache_dir"] is None
        text = capsys.readouterr().err
        assert text.count("\n") == 1 and "file/x cannot be written (Not a directory)" in text
    finally:
        jax.config.update("jax_compilation_cache_dir", kept)
