"""What `python cli.py bench` does: run the measurements asked for, and print them as a table or JSON."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gyrax._errors import InputError
from gyrax.bench.growth import bench_growth
from gyrax.bench.measure import Machine, Operations, measure_machine
from gyrax.bench.simulation import bench_simulation
from gyrax.bench.training import (
    bench_data,
    bench_rollout,
    bench_training,
    count_step,
    make_bench,
)
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import prepare_device
from gyrax.training.settings import check_choice, flag_of, make_config

KINDS = ("train", "rollout", "simulate", "data", "growth", "all")
RATIOS = (
    "ratio_to_naive: its time over ours; ratio_to_scan, ratio_to_diffeqsolve, ratio_to_align: our "
    "time over theirs; all timed in turn in this run, and the median over its rounds"
)


def bench_run(
    settings: dict[str, Any],
    *,
    what: str,
    preset: str,
    rounds: int,
    as_json: bool,
    out: Path | None,
    device: str,
    root: Path,
    console: Console,
) -> dict[str, Any]:
    """Measure, and print. `root` is the clone that holds `cli.py`.

    Raises `InputError` for an unknown choice.
    """
    if what not in KINDS:
        raise InputError(f"--what is {what!r}; give one of {', '.join(KINDS)}.")
    if rounds < 1:
        raise InputError(f"--rounds is {rounds}; give 1 or more.")
    if settings and what == "growth":
        raise InputError(
            f"--what growth varies sizes of its own; leave {flag_of(next(iter(settings)))} out."
        )
    if out is not None and what != "growth":
        raise InputError("--out is for the figure of --what growth; leave it out.")
    check_choice("device", device)
    quiet = Console(stderr=True)
    config = make_config(preset, settings)
    platform = prepare_device(device)
    report: dict[str, Any] = {"preset": preset, "settings": settings, "platform": platform}
    report["ratios"] = RATIOS
    with make_progress(quiet) as progress:
        task = progress.add_task(
            f"bench, preset {preset}", total=None, note="measuring the machine"
        )
        note: Callable[[str], None] = lambda text: progress.update(task, note=text)
        machine = measure_machine()
        report["machine"] = machine._asdict() | {"cores": os.cpu_count()}
        if what == "growth":
            report["growth"] = bench_growth(rounds, out or Path("outputs/bench"), note)
        bench = None if what in ("growth", "simulate") else make_bench(config, quiet)
        if bench is not None and what in ("train", "all"):
            report["train_step"] = bench_training(bench, rounds, note)
        if bench is not None and what in ("rollout", "all"):
            report["rollout"] = bench_rollout(bench, rounds, note)
        if bench is not None and what in ("data", "all"):
            report["data"] = bench_data(bench, rounds, note)
        if bench is not None and what == "all":
            _add_counts(report, machine, count_step(bench, note))
        if what in ("simulate", "all"):
            report["simulate"] = bench_simulation(rounds, note)
        if what in ("train", "all"):
            report["command"] = _time_command(root, device, note)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        for table in tables(report):
            console.print(table)
        console.print(RATIOS, highlight=False)
    return report


def _add_counts(report: dict[str, Any], machine: Machine, counts: dict[str, Operations]) -> None:
    """XLA's operation and byte counts, and what share of the machine's peak they are."""
    for name, count in counts.items():
        entry = report["rollout"] if name == "rollout" else report["train_step"][name]
        entry["gflop"], entry["mbytes"] = count.flops / 1e9, count.bytes / 1e6
        entry["share_of_peak_flops"] = count.flops / (1e6 * entry["ms"] * machine.gflops)
        entry["share_of_peak_bandwidth"] = count.bytes / (1e6 * entry["ms"] * machine.gbytes)


def _time_command(root: Path, device: str, note: Callable[[str], None]) -> dict[str, Any]:
    """The training command itself, one epoch a phase, with an empty and then a filled cache: seconds
    until its first step starts, and its largest memory."""
    seconds: dict[str, float] = {}
    peak = 0.0
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"GYRAX_CACHE_DIR": f"{folder}/cache", "PYTHONUNBUFFERED": "1"}
        for cache in ("cold", "warm"):
            note(f"training by the command, {cache} cache")
            command = [sys.executable, str(root / "cli.py"), "train", "--phase", "2",
                       "--phase1-epochs", "1", "--phase2-epochs", "1", "--device", device,
                       "--out", f"{folder}/{cache}"]  # fmt: skip
            began = time.perf_counter()
            with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                for line in child.stdout:
                    peak = max(peak, _peak_mib(child.pid))
                    if "compiled in" in line:
                        seconds.setdefault(cache, time.perf_counter() - began)
            if child.returncode:
                raise InputError(f"the training command failed with exit code {child.returncode}.")
    return {"first_step_s": seconds, "peak_mib": peak}


def _peak_mib(process: int) -> float:
    """The largest memory of a running process so far; zero where the system does not say.

    `getrusage` would count what this process held when it started the other.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return max(
        (float(s.split()[1]) / 1024 for s in status.splitlines() if "VmHWM" in s), default=0.0
    )


def tables(report: dict[str, Any]) -> list[Table]:
    """The report for a person."""
    machine = report["machine"]
    changed = "".join(f", {k} {v}" for k, v in report["settings"].items())
    head = (
        f"{report['preset']} preset{changed} on {machine['device']}, {machine['cores']} cores; measured peak "
        f"{machine['gflops']:.0f} GFLOP/s, {machine['gbytes']:.1f} GB/s"
    )
    rows = {f"{name} step": entry for name, entry in report.get("train_step", {}).items()}
    rows |= {name: report[name] for name in ("rollout", "simulate") if name in report}
    speed = _table(head, "ms", "quartiles", "x naive", "/ scan", "/ diffeqsolve", "/ ALIGN")
    made = _table("Programs", "compile s", "from cache s", "MiB", "GFLOP", "% of peak")
    for name, entry in rows.items():
        speed.add_row(
            name,
            f"{entry['ms']:.2f}",
            f"{entry['ms_low']:.2f}-{entry['ms_high']:.2f}",
            *(_cell(entry, f"ratio_to_{k}") for k in ("naive", "scan", "diffeqsolve", "align")),
        )
        made.add_row(
            name,
            *(f"{entry['compile_s'][k]:.1f}" for k in ("cold", "warm")),
            f"{entry['peak_mib']:.0f}",
            _cell(entry, "gflop"),
            _cell(entry, "share_of_peak_flops", ".1%"),
        )
    shown = [speed, made] if rows else []
    facts = _table("Also measured" if rows else head, "measured")
    for name, value in _facts(report):
        facts.add_row(name, value)
    return [*shown, facts] if facts.row_count else shown


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="left" if name == "measured" else "right")
    return table


def _cell(entry: dict[str, Any], name: str, form: str = ".2f") -> str:
    return format(entry[name], form) if name in entry else ""


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if "train_step" in report:
        share = report["train_step"]["phase2"]["epoch_overhead"]
        facts.append(("phase-2 epoch beyond its steps", f"{share:.1%}"))
    if "command" in report:
        command = report["command"]
        for cache, seconds in command["first_step_s"].items():
            facts.append((f"command to first step, {cache} cache", f"{seconds:.1f} s"))
        facts.append(("largest memory of the default training", f"{command['peak_mib']:.0f} MiB"))
    if "data" in report:
        rate = report["data"]["windows_per_second"]
        facts.append(("windows fed a second", f"{rate:,.0f}"))
    if "simulate" in report:
        entry = report["simulate"]
        facts.append(("simulate: " + entry["what"], f"{entry['steps_per_second']:,.0f} steps/s"))
        facts.append(
            ("simulate: time against ALIGN in flat space", f"{entry['ratio_to_align']:.2f}")
        )
    for axis, row in report.get("growth", {}).get("axes", {}).items():
        facts.append((f"growth with {axis}", row["text"]))
    return facts
