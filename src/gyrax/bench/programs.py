"""What XLA says of a compiled program: seconds to compile it, memory, operations and bytes."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jax.experimental.compilation_cache import compilation_cache

from gyrax.runtime.device import compiled

MIB = 2**20


@dataclass(frozen=True)
class Program:
    """A compiled function: seconds to trace and compile it with an empty and with a filled cache, and
    the memory, in MiB, that its arguments, outputs and temporaries take on the device."""

    call: Callable[..., Any]
    cold_s: float
    warm_s: float
    peak_mib: float

    def report(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "compile_s": {"cold": self.cold_s, "warm": self.warm_s},
            "peak_mib": self.peak_mib,
        }


@contextmanager
def empty_cache() -> Iterator[None]:
    """An empty persistent compilation cache for the time of the block."""
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in zip(names, (folder, 0.0, -1), strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        try:
            yield
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()


def compile_program(make: Callable[[], Any], *args: Any, phase: int | None = None) -> Program:
    """Compile `make()`, a jitted function, for `args`: once cold, once more from the cache."""
    times, program = [], None
    with empty_cache():
        for _ in range(2):
            jax.clear_caches()
            eqx.clear_caches()
            function = make()  # which may compile what it needs itself
            began = time.perf_counter()
            program = compiled(function, *args, phase=phase)
            times.append(time.perf_counter() - began)
    assert program is not None
    memory = getattr(program, "compiled", program).memory_analysis()
    taken = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )
    return Program(program, times[0], times[1], taken / MIB)


class Operations(NamedTuple):
    """What XLA counts in a program: floating-point operations and bytes moved."""

    flops: float
    bytes: float


def count_operations(make: Callable[[], Any], *args: Any) -> Operations:
    """XLA's count of the optimised program of `make()`, a jitted function.

    XLA counts the body of a loop once. So scans are traced step by step, as `jax.disable_jit` does: give
    it few steps.
    """
    function = make()
    jax.clear_caches()  # of what has been traced with loops
    with jax.disable_jit():
        program = compiled(function, *args)
    cost = getattr(program, "compiled", program).cost_analysis() or {}
    return Operations(float(cost.get("flops", 0.0)), float(cost.get("bytes accessed", 0.0)))
