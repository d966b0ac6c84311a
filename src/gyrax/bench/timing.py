"""Wall-clock time of programs, measured in turn so that a slow stretch of the machine falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax


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
    """Time programs in turn, `rounds` times after one warm-up, so that other load on the
    machine affects all of them equally. Each call waits for its results."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for i in range(rounds + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            jax.block_until_ready(program())
            if i:
                seconds[name].append(1e3 * (time.perf_counter() - began))
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def compare(report: dict[str, Any], times: dict[str, Timing], ours: str) -> None:
    """Add the yardsticks' times and the ratios: to naive, how many times faster ours is; to the others,
    our time over theirs."""
    mine = times[ours]
    for kind in ("naive", "scan", "diffeqsolve"):
        if kind in times:
            other = times[kind]
            report[f"ms_{kind}"] = other.ms
            report[f"ratio_to_{kind}"] = (
                other.ratio_to(mine) if kind == "naive" else mine.ratio_to(other)
            )
