"""All measurements that were asked for, in order, as one report."""

import os
from pathlib import Path
from typing import Any

from rich.console import Console

from gyrax.bench.command_time import time_command
from gyrax.bench.counts import add_counts, count_step
from gyrax.bench.fixed_steps import bench_fixed_steps
from gyrax.bench.growth import bench_growth
from gyrax.bench.machine import measure_machine
from gyrax.bench.rollout import bench_rollout
from gyrax.bench.setup import Note, make_bench
from gyrax.bench.simulation import bench_simulation
from gyrax.bench.training import bench_training
from gyrax.bench.windows import bench_windows
from gyrax.training.settings import Settings

RATIOS = (
    "ratio_to_naive: its time over ours; ratio_to_scan, ratio_to_diffeqsolve, ratio_to_align: our "
    "time over theirs; all timed in turn in this run, and the median over its rounds"
)


def measure_all(
    what: str,
    settings: Settings,
    *,
    rounds: int,
    device: str,
    out: Path,
    console: Console,
    note: Note,
) -> dict[str, Any]:
    """Measure `what` (see the help of `gyrax bench`), with `rounds` repeats of everything timed.

    `out` is the folder of growth's figure; `console` takes what loading the data says.
    """
    note("measuring the machine")
    machine = measure_machine()
    report: dict[str, Any] = {
        "ratios": RATIOS,
        "machine": machine._asdict() | {"cores": os.cpu_count()},
    }
    if what == "growth":
        return report | {"growth": bench_growth(rounds, out, note)}
    if what != "simulate":
        bench = make_bench(settings, console)
        if what in ("train", "all"):
            report["train_step"] = bench_training(bench, rounds, note)
        if what in ("rollout", "all"):
            report["rollout"] = bench_rollout(bench, rounds, note)
        if what in ("data", "all"):
            report["data"] = bench_windows(bench, rounds, note)
        if what == "all":
            add_counts(report, machine, count_step(bench, note))
    if what in ("simulate", "all"):
        report["simulate"] = bench_simulation(rounds, note)
        report["fixed_steps"] = bench_fixed_steps(rounds, note)
    if what in ("train", "all"):
        report["command"] = time_command(device, note)
    return report
