"""How many operations a training step and a rollout are, and what share of the machine's peak that is."""

from typing import Any

from gyrax.bench.machine import Machine
from gyrax.bench.programs import Operations, count_operations
from gyrax.bench.setup import Bench, Note, epoch_arguments, rollout_arguments


def count_step(bench: Bench, note: Note) -> dict[str, Operations]:
    """XLA's counts of a phase-1 step, a phase-2 step and a rollout.

    A rollout is compiled without loops, which takes long for many frames: those of one and of two frames
    are counted, and the counts continued in a straight line to the horizon.
    """
    note("counting operations")
    counts = {"phase1": count_operations(*_epoch(bench, 1))}
    one, two = bench.with_horizon(1), bench.with_horizon(2)
    for name, arguments in (
        ("phase2", lambda b: _epoch(b, 2)),
        ("rollout", lambda b: rollout_arguments(b, "ours")),
    ):
        short, long = (count_operations(*arguments(b)) for b in (one, two))
        more = bench.settings.training.horizon - 1
        counts[name] = Operations(*(a + more * (b - a) for a, b in zip(short, long, strict=True)))
    return counts


def _epoch(bench: Bench, number: int) -> tuple:
    make, fit, state = epoch_arguments(bench, number, "ours", 1)
    return make, *fit.arguments(state)


def add_counts(report: dict[str, Any], machine: Machine, counts: dict[str, Operations]) -> None:
    """Operation and byte counts into the report, and what share of the machine's peak they are."""
    for name, count in counts.items():
        entry = report["rollout"] if name == "rollout" else report["train_step"][name]
        entry["gflop"], entry["mbytes"] = count.flops / 1e9, count.bytes / 1e6
        entry["share_of_peak_flops"] = count.flops / (1e6 * entry["ms"] * machine.gflops)
        entry["share_of_peak_bandwidth"] = count.bytes / (1e6 * entry["ms"] * machine.gbytes)
