"""What a person sees of a run, and the JSONL log that it always leaves."""

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gyrax.training.trackers import Track


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
