"""What a person sees of a run, and the JSONL log that it always leaves."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gyrax.training.trackers import Track


def read_log(file: Path) -> tuple[list[dict[str, Any]], int]:
    """The records of a log, one an epoch, and how many of its lines cannot be read.

    Of an epoch that is there twice, as in the log of a run that was resumed, the last record counts.
    """
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    records, damaged = {}, 0
    for line in lines:
        record = _record(line)
        if record is None:
            damaged += 1
        else:
            records[record["phase"], record["epoch"]] = record
    return [records[key] for key in sorted(records)], damaged


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        if not all(isinstance(record[name], int) for name in ("phase", "epoch")):
            return None
        return record if all(map(math.isfinite, record.values())) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_log(file: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write a whole log."""
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


class RunLog:
    """Appends one JSON line an epoch to `log.jsonl`, and keeps a phase's records for its table."""

    def __init__(self, file: Path, console: Console, track: Track | None = None):
        """`track` is called with what is recorded."""
        self.file = file
        self.console = console
        self.track = track
        self.records: list[dict[str, Any]] = []
        self.started = time.perf_counter()

    def start_phase(self) -> None:
        """Forget the records of the phase before."""
        self.records = []
        self.started = time.perf_counter()

    def epoch(self, phase: int, epoch: int, metrics: dict[str, float], *, show: bool) -> None:
        """Record one epoch; print its line where `show`."""
        record = {"phase": phase, "epoch": epoch, **metrics}
        self.records.append(record)
        with self.file.open("a") as stream:
            stream.write(json.dumps(record) + "\n")
        if self.track is not None:
            self.track(phase, epoch, metrics)
        if show:
            self.console.print(
                f"phase {phase} epoch {epoch:>4}  {headline(metrics)}", highlight=False
            )

    def summary(self, phase: int, title: str) -> None:
        """One table of the phase: every quantity at its first and last epoch."""
        if not self.records:
            return
        seconds = time.perf_counter() - self.started
        table = Table(
            title=f"Phase {phase}, {title}: {len(self.records)} epochs in {seconds:.0f} s",
            title_justify="left",
        )
        for column in ("", "first epoch", "last epoch"):
            table.add_column(column, justify="right" if column else "left")
        validated = [r for r in self.records if any(k.startswith("val_") for k in r)]
        for name in self.records[-1]:
            if name in ("phase", "epoch", "seconds"):
                continue
            rows = validated if name.startswith("val_") else self.records
            table.add_row(name, f"{rows[0][name]:.4f}", f"{rows[-1][name]:.4f}")
        self.console.print(table)


def headline(metrics: dict[str, float]) -> str:
    """The few numbers of an epoch that belong on one line."""
    names = [n for n in ("loss", "recon", "geodesic", *metrics) if n in metrics]
    chosen = [n for n in names if n in ("loss", "recon", "geodesic") or n.startswith("val_")]
    return "  ".join(f"{n} {metrics[n]:.4f}" for n in dict.fromkeys(chosen))
