"""Where computations run, and the persistent compilation cache."""

import gc
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from gyrax._errors import InputError
from gyrax.runtime.options import check_choice


def cache_folder() -> Path:
    """The per-user folder of compiled programs: `$GYRAX_CACHE_DIR`, or the user's cache folder."""
    chosen = os.environ.get("GYRAX_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gyrax" / "compiled"


CPU_FLAGS = {
    # The older emitters of fused loops take two thirds of the time and half of the memory to compile that
    # the newer ones do, for programs as fast.
    "xla_cpu_use_fusion_emitters=false": ("0.10.",),
    # None of the operations that XLA would hand to YNNPACK, which are its reductions: XLA's own take four
    # fifths of the time of a phase-1 step, and two thirds of one of phase 3. With products handed over too
    # (=dot), some compilations of a float64 rollout were wrong (jaxlib 0.10.2).
    "xla_cpu_experimental_ynn_fusion_type=": ("0.10.",),
}
"""How XLA compiles for the CPU, with the versions of jaxlib in which this was measured: XLA aborts at a
flag that it does not know."""


def use_measured_compiler() -> None:
    """Set `CPU_FLAGS`, less those that `$XLA_FLAGS` has already; before anything is compiled."""
    flags, installed = os.environ.get("XLA_FLAGS", ""), version("jaxlib")
    for flag, versions in CPU_FLAGS.items():
        if installed.startswith(versions) and flag.split("=")[0] not in flags:
            flags = f"{flags} --{flag}".strip()
    os.environ["XLA_FLAGS"] = flags


def keep_float32() -> None:
    """Let matrix products on a GPU keep all digits of float32, as they do on a CPU: rounding to TF32 gains
    no time here (measured on an H100). `$JAX_DEFAULT_MATMUL_PRECISION` says otherwise."""
    if jax.default_backend() != "cpu" and jax.config.values["jax_default_matmul_precision"] is None:
        jax.config.update("jax_default_matmul_precision", "highest")


CPU_OPTIONS: dict[int | None, dict[str, int]] = {2: {"xla_backend_optimization_level": 1}}
"""How XLA compiles the epochs of a phase for the CPU, beyond `CPU_FLAGS`. LLVM at level 1 takes four fifths
of the CPU time of level 3 for the many small loops of phase 2, whose steps are then up to a tenth slower:
there the compile is what falls short. It gains little in phases 1 and 3."""


def compiled(function: Any, *args: Any, phase: int | None = None) -> Any:
    """A jitted `function` compiled for `args`; as [`CPU_OPTIONS`][] says, if it is the epoch of a `phase`.

    Python's garbage collector waits while it is traced: that makes a million small objects that live
    until its end, and to look through them again and again is a fifth of its time (measured).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        program = function.lower(*args)
    finally:
        if collects:
            gc.enable()
    options = CPU_OPTIONS.get(phase) if jax.default_backend() == "cpu" else None
    return program.compile(compiler_options=options)


def release_programs() -> None:
    """Drop every compiled program, with what it holds: those of a finished phase are some 300 MiB."""
    gc.collect()
    jax.clear_caches()
    gc.collect()


DEVICES = ("auto", "cpu", "cuda")


def _keep_programs(folder: Path) -> None:
    """Turn on the compilation cache; where the folder cannot be written, say so and go on without."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
    except OSError as error:
        print(
            f"note: compiled programs are not kept, for {folder} cannot be written ({error.strerror}); set "
            "GYRAX_CACHE_DIR to a folder that can.",
            file=sys.stderr,
        )
        jax.config.update("jax_compilation_cache_dir", None)
    else:
        jax.config.update("jax_compilation_cache_dir", str(folder))


_ROOM = 2**20
"""Bytes that have to be free for compiled programs."""


def prepare_device(device: str) -> str:
    """Choose one of `DEVICES`, and turn on the compilation cache. Returns the platform used.

    Matrix products keep all digits of float32 on a GPU too, as [`keep_float32`][] says.

    Raises `InputError` for any other, and where CUDA is asked for and not there.
    """
    check_choice("--device", device, DEVICES)
    use_measured_compiler()
    _keep_programs(cache_folder())
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    elif device == "cuda":
        try:
            jax.devices("cuda")
        except RuntimeError:
            raise InputError(
                "--device cuda: JAX finds no CUDA device; install with pip install -e '.[cuda12]' "
                "on a machine with an NVIDIA GPU, or use --device cpu."
            ) from None
        jax.config.update("jax_default_device", jax.devices("cuda")[0])
    keep_float32()
    return jax.default_backend()
