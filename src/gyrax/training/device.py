"""Where computations run, and the persistent compilation cache."""

import os
from functools import cache
from pathlib import Path

import jax

from gyrax._errors import InputError


def cache_folder() -> Path:
    """The per-user folder of compiled programs: `$GYRAX_CACHE_DIR`, or the user's cache folder."""
    chosen = os.environ.get("GYRAX_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gyrax" / "compiled"


@cache
def compiler_options() -> dict[str, bool]:
    """How XLA compiles the training steps on a CPU: by its older emitters of fused loops, which take two
    thirds of the time and half of the memory of the newer ones, for steps that are as fast (measured).

    Nothing where the platform or XLA's version does not know the option.
    """
    options = {"xla_cpu_use_fusion_emitters": False}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def prepare_device(device: str) -> str:
    """Choose `auto`, `cpu` or `cuda`, and turn on the compilation cache. Returns the platform used.

    Raises `InputError` where CUDA is asked for and not there.
    """
    jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
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
    return jax.default_backend()
