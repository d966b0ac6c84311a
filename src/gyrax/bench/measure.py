"""How things are measured: medians of interleaved repeats, compile times, memory, the machine's peak."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache

from gyrax.runtime.device import compiled

MIB = 2**20


@dataclass(frozen=True)
class Timing:
    """Milliseconds that a call took in each of the rounds."""

    each: tuple[float, ...]

    @property
    def ms(self) -> float:
        """The median."""
        return statistics.median(self.each)

    def over(self, count: int) -> "Timing":
        """The time of one of `count` equal parts."""
        return Timing(tuple(value / count for value in self.each))

    def ratio_to(self, other: "Timing") -> float:
        """The median of this time over the other's in the same round. A slow stretch of the machine
        that takes half of the rounds can fall on one median and not on the other."""
        return statistics.median(a / b for a, b in zip(self.each, other.each, strict=True))

    def report(self) -> dict[str, float]:
        """The median, and the quartiles about it, as JSON."""
        low, high = self.ms, self.ms
        if len(self.each) > 1:
            low, _, high = statistics.quantiles(self.each, n=4)
        return {"ms": self.ms, "ms_low": low, "ms_high": high}


def time_together(programs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Timing]:
    """Time programs in turn, `rounds` times after one warm-up, so that what else the machine does
    falls on all of them alike. What a program returns is waited for."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for i in range(rounds + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            jax.block_until_ready(program())
            if i:
                seconds[name].append(1e3 * (time.perf_counter() - began))
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


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
    """XLA's count of the optimised program. It counts the body of a loop once: give it none."""
    program = compiled(make(), *args)
    cost = getattr(program, "compiled", program).cost_analysis() or {}
    return Operations(float(cost.get("flops", 0.0)), float(cost.get("bytes accessed", 0.0)))


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
