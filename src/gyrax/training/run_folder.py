"""The folder of a run: what it holds, and how what is new takes the place of what was there.

What a training writes gathers in the folder `NEW` inside it. When its first checkpoint is whole, what it
replaces is removed, and the new files get their places; later checkpoints get theirs as they are whole. So
whenever a process ends, the folder holds the old run or the new one, or `settle` makes it so.
"""

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gyrax._errors import InputError
from gyrax.runtime.checksums import write_sums
from gyrax.runtime.files import clear_partials_in, is_partial, remove
from gyrax.runtime.locks import LOCK, locked
from gyrax.training.checkpoint import NAME, Checkpoint, checkpoints_in, open_checkpoint, place_of
from gyrax.training.exported import is_export
from gyrax.training.log import read_log, write_log
from gyrax.training.trackers import TENSORBOARD_FOLDER

SETTINGS_FILE = "config.json"
LOG_FILE = "log.jsonl"
FIGURE = "figure.png"
NEW = ".new"
REPLACED = "replaced.json"
"""In `NEW` until the first checkpoint is whole: the names in the run folder that go then."""
RESULTS = (FIGURE, "report*.html", "report*.json", "view*.html", "baselines", "figures",
           f"{TENSORBOARD_FOLDER}/*")  # fmt: skip
"""What is made of checkpoints, or beside them."""


@dataclass(frozen=True)
class RunFolder:
    """Where a training writes that goes on from a checkpoint, or from none."""

    path: Path
    resumed: Checkpoint | None = None

    @property
    def new(self) -> Path:
        """What is not yet whole."""
        return self.path / NEW

    @property
    def log(self) -> Path:
        """Where the log is now."""
        return (self.new if (self.new / REPLACED).exists() else self.path) / LOG_FILE

    def begin(self, settings: dict[str, Any]) -> None:
        """Prepare for the first checkpoint; what is in the folder stays until then.

        A run that goes on in its own folder keeps its checkpoints up to the one that it goes on from, and its
        log up to there.
        """
        remove(self.new)
        replaced = self._replaced()
        self.new.mkdir(parents=True)
        (self.new / REPLACED).write_text(json.dumps(replaced))
        (self.new / SETTINGS_FILE).write_text(json.dumps(settings, indent=1))
        if self.resumed is not None and _is_in(self.resumed, self.path):
            last = self.resumed.meta.phase, self.resumed.meta.epochs - 1
            records, _ = read_log(self.path / LOG_FILE)
            write_log(self.new / LOG_FILE, [r for r in records if (r["phase"], r["epoch"]) <= last])

    def publish(self) -> None:
        """Give what is whole its place, if there is a checkpoint among it; what it replaces goes before.

        Where it is interrupted, it can be called again.
        """
        whole = checkpoints_in(self.new)
        if not whole:
            return
        for checkpoint in whole:
            write_sums(checkpoint)
        listing = self.new / REPLACED
        if listing.exists():
            for name in (*json.loads(listing.read_text()), LOG_FILE):
                remove(self.path / name)
            listing.unlink()
        for name in (SETTINGS_FILE, LOG_FILE):
            if (self.new / name).exists():
                os.replace(self.new / name, self.path / name)
        for checkpoint in whole:
            checkpoint.rename(self.path / checkpoint.name)
        for older in checkpoints_in(self.path)[:-1]:
            if place_of(older)[2]:  # of the middle of an epoch
                remove(older)

    def end(self) -> None:
        """Publish what is whole, and clear what is not."""
        self.publish()
        remove(self.new)

    def _replaced(self) -> list[str]:
        there = checkpoints_in(self.path) if self.path.is_dir() else []
        if self.resumed is not None and _is_in(self.resumed, self.path):
            there = [each for each in there if place_of(each) > place_of(self.resumed.path)]
            if not there:
                return []
        results = (file for pattern in RESULTS for file in self.path.glob(pattern))
        return [str(file.relative_to(self.path)) for file in (*there, *results)]


def _is_in(checkpoint: Checkpoint, run: Path) -> bool:
    return checkpoint.path.parent.resolve() == run.resolve()


def run_of(path: Path) -> Path:
    """The run folder meant by it, or by one of its checkpoints."""
    return path.parent if NAME.fullmatch(path.name.removesuffix(".pt")) else path


def settle(run: Path) -> None:
    """Complete or clear what a killed process left half done in a run folder.

    Raises `InputError` where a process is still writing in it.
    """
    if not run.is_dir():
        return
    clear_partials_in(run)
    if not (run / NEW).is_dir() and not (run / LOCK).exists():
        return
    with locked(run):
        if (run / NEW).is_dir():
            RunFolder(run).end()


def check_run_folder(run: Path, resumed: Checkpoint | None, overwrite: bool) -> None:
    """Refuse a folder in which something would be lost. Raises `InputError`."""
    blocking = next((p for p in (run, *run.parents) if p.exists()), run)
    if blocking.exists() and not blocking.is_dir():
        raise InputError(f"{blocking}: is a file; give a folder with --out.")
    if is_export(run):
        raise InputError(f"{run}: holds an exported model; give another folder with --out.")
    if overwrite or not run.is_dir():
        return
    there = checkpoints_in(run)
    if resumed is None:
        if there:
            raise InputError(
                f"{run}: already holds a run; continue it with `{continuing(run)}`, replace it with "
                "--overwrite, or choose another folder with --out."
            )
        if any(file.name not in _FREE and not is_partial(file) for file in run.iterdir()):
            raise InputError(f"{run}: is not empty; choose another folder with --out.")
        return
    if there and (not _is_in(resumed, run) or place_of(there[-1]) > place_of(resumed.path)):
        raise InputError(
            f"{run}: holds the checkpoint {there[-1].name}, which going on from {resumed.path} could "
            f"replace; resume from it, choose another folder with --out, or add --overwrite."
        )


_FREE = (SETTINGS_FILE, LOG_FILE, NEW, LOCK, TENSORBOARD_FOLDER)
"""What a run may leave that ended before its first checkpoint: nothing is lost with it."""


def continuing(run: Path) -> str:
    """The command that continues a run, or goes on from a checkpoint, as it was begun."""
    command = f"python cli.py train --resume {shlex.quote(str(run))}"
    try:
        return f"{command} {open_checkpoint(run).meta.asked}".rstrip()
    except InputError:
        return command
