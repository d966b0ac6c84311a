"""Trackers: services and programs that show the numbers of training, besides the log of every run."""

import abc
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from gyrax._errors import InputError
from gyrax.runtime.console import print_lines
from gyrax.runtime.options import check_choice

PROJECT = "gyrax"
TENSORBOARD_FOLDER = "tensorboard"
Track = Callable[[int, int, dict[str, float]], None]
"""Takes phase, epoch and the numbers of an epoch."""


class AbstractTracker(abc.ABC):
    """One tracker. What is shown of an epoch has the names of `log.jsonl`, under its phase."""

    def __init__(self, library: Any):
        """`library`: the imported module."""
        self.library = library

    @abc.abstractmethod
    def start(self, run: Path, settings: dict[str, Any]) -> None:
        """Begin to show a run. The folder may hold another run yet, so nothing is written into it."""

    @abc.abstractmethod
    def epoch(self, phase: int, epoch: int, metrics: dict[str, float]) -> None:
        """Show one epoch, counted from 0 in each phase."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Write out what is left."""


class TensorBoard(AbstractTracker):
    """Event files in the run folder."""

    def start(self, run: Path, settings: dict[str, Any]) -> None:
        """Only remember where: the writer makes its file at once."""
        self.folder = run / TENSORBOARD_FOLDER

    @cached_property
    def _writer(self) -> Any:
        return self.library.Writer(str(self.folder))

    def epoch(self, phase: int, epoch: int, metrics: dict[str, float]) -> None:
        """One scalar a number."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"phase{phase}/{name}", value, epoch)
        self._writer.flush()

    def finish(self) -> None:
        """Close the file, if there was an epoch."""
        if "_writer" in vars(self):
            self._writer.close()


class AbstractRecords(AbstractTracker):
    """One that gets a record an epoch, and keeps its own files. **Fields:** `run`, what it has begun."""

    run: Any

    def epoch(self, phase: int, epoch: int, metrics: dict[str, float]) -> None:
        """One record: the epoch's numbers under its phase."""
        named = {"epoch": epoch, **metrics}
        self.run.log({f"phase{phase}/{name}": value for name, value in named.items()})

    def finish(self) -> None:
        """End the run."""
        self.run.finish()


class Wandb(AbstractRecords):
    """Weights & Biases; it keeps its own files where `WANDB_DIR` says, and goes by `WANDB_MODE`."""

    def start(self, run: Path, settings: dict[str, Any]) -> None:
        """Each phase has its epochs as its axis."""
        self.run = self.library.init(project=PROJECT, name=run.name, config=settings)
        for phase in (1, 2, 3):
            self.run.define_metric(f"phase{phase}/*", step_metric=f"phase{phase}/epoch")


class Trackio(AbstractRecords):
    """Trackio; it keeps its own files where `TRACKIO_DIR` says."""

    def start(self, run: Path, settings: dict[str, Any]) -> None:
        """Without a dashboard, which `trackio show` opens."""
        self.run = self.library.init(project=PROJECT, name=run.name, config=settings, embed=False)


TRACKERS: dict[str, tuple[type[AbstractTracker], str]] = {
    "wandb": (Wandb, "wandb"),
    "tensorboard": (TensorBoard, "tensorboard.summary"),
    "trackio": (Trackio, "trackio"),
}
"""What each is, and the module that it needs."""


def make_tracker(name: str) -> AbstractTracker:
    """The tracker of that name. Raises `InputError` for an unknown one, or one that is not installed."""
    check_choice("--track", name, TRACKERS)
    kind, module = TRACKERS[name]
    try:
        library = importlib.import_module(module)
    except ImportError:
        library = None
    # A folder of that name, such as W&B leaves, is imported as an empty package.
    if library is None or library.__file__ is None:
        raise InputError(
            f"--track {name}: {name} is not installed; pip install 'gyrax[{name}]', or leave it out: "
            "the run's log.jsonl has the same numbers."
        )
    return kind(library)


@contextmanager
def tracked(
    tracker: AbstractTracker | None, run: Path, settings: dict[str, Any], console: Console
) -> Iterator[Track | None]:
    """What is to be called with every epoch while the run is shown; None without a tracker.

    One that fails later than at its start is left out from then on, which the console says once: no training
    ends for it. Raises `InputError` where it cannot start, such as without an account.
    """
    if tracker is None:
        yield None
        return
    try:
        tracker.start(run, settings)
    except Exception as error:  # each library has its own, none in common
        raise InputError(
            f"--track: cannot start ({_reason(error)}); set it up as its own documentation says, or leave "
            "it out."
        ) from None
    guarded = _Guarded(tracker, console)
    try:
        yield guarded.epoch
    finally:
        guarded.finish()


class _Guarded:
    def __init__(self, tracker: AbstractTracker, console: Console):
        self.tracker, self.console, self.failed = tracker, console, False

    def epoch(self, phase: int, epoch: int, metrics: dict[str, float]) -> None:
        self._try(lambda: self.tracker.epoch(phase, epoch, metrics))

    def finish(self) -> None:
        self._try(self.tracker.finish)

    def _try(self, call: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            call()
        except Exception as error:
            self.failed = True
            said = (
                f"--track: stopped ({_reason(error)}); training goes on, and log.jsonl has it all."
            )
            print_lines([said], self.console)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:160]
