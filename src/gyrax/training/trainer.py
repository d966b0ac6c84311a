"""A training run: its phases in turn, logged, validated and saved into a run folder."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import jax.random as jr
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.losses.total import REACH
from gyrax.model.system import System
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import release_programs
from gyrax.runtime.processes import (
    agreed,
    is_writer,
    on_this_process,
    replicated,
    training_mesh,
    wait_for_all,
)
from gyrax.runtime.signals import asked_to_end
from gyrax.training.blocks import Streamed, Whole
from gyrax.training.build import build_system
from gyrax.training.checkpoint import Checkpoint, Meta
from gyrax.training.dataset import Dataset
from gyrax.training.fit import DivergedError, Fit, Part, check_finite
from gyrax.training.log import RunLog, headline
from gyrax.training.phases import Phase, make_phases
from gyrax.training.presets import to_dict
from gyrax.training.run_folder import RunFolder
from gyrax.training.saver import Saver
from gyrax.training.settings import Settings
from gyrax.training.state import TrainState
from gyrax.training.step import encode_all, validate_frames, validate_windows
from gyrax.training.trackers import Track


class Stopped(Exception):
    """The system has asked the process to end, and `path` is the checkpoint that it leaves."""

    def __init__(self, path: Path):
        super().__init__(str(path))
        self.path = path


@dataclass(frozen=True)
class Trained:
    """A trained system and what it was trained with.

    **Fields:** `path`, its checkpoint; `phase`, the last one.
    """

    path: Path
    settings: Settings
    phase: int
    system: System
    normaliser: Normaliser

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Trained":
        """What a checkpoint holds."""
        meta = checkpoint.meta
        return cls(
            checkpoint.path, meta.settings, meta.phase, checkpoint.system(), checkpoint.normaliser
        )


def plan_phases(selection: str, settings: Settings, resumed: Meta | None) -> list[int]:
    """The phases to run. Phase 2 is preceded by phase 1 where that is not finished.

    Raises `InputError` where nothing is left to train.
    """
    phases = make_phases(settings)
    chosen = [1, 2, 3] if selection == "all" else [int(selection)]
    if selection == "2":
        chosen = [1, 2]
    if resumed is not None:
        chosen = [n for n in chosen if n >= resumed.phase]
        if resumed.phase in chosen and phases[resumed.phase].epochs <= resumed.epochs:
            chosen.remove(resumed.phase)
    planned = [n for n in chosen if phases[n].epochs > 0]
    if not planned:
        where = "" if resumed is None else f"; the checkpoint is at phase {resumed.phase}"
        flags = " or ".join(f"--phase{n}-epochs" for n in phases if selection in ("all", str(n)))
        raise InputError(f"--phase {selection}: nothing is left to train{where}; raise {flags}.")
    return planned


class Trainer:
    """Runs phases over one data set in one run folder."""

    def __init__(
        self,
        settings: Settings,
        dataset: Dataset,
        run: Path,
        console: Console,
        resumed: Checkpoint | None = None,
        asked: str = "",
    ):
        """`resumed`: a checkpoint to go on from; `asked`: the flags besides the settings, for checkpoints to
        tell. Raises `InputError` where devices cannot share a batch, an
        episode is shorter than a window, or time is to be told of shuffled frames."""
        # Cut here, so that a short episode is refused before anything is written.
        dataset.check_lengths()
        if settings.weights[REACH] > 0:
            dataset.check_neighbours()
        self.settings, self.dataset, self.run, self.console = settings, dataset, run, console
        self.resumed, self.asked = resumed, asked
        self.folder, self.saved_at = RunFolder(run, resumed), -math.inf
        self.ending = lambda: False
        self.mesh: Mesh = training_mesh(settings.training.batch_size)

    def train(self, planned: list[int], track: Track | None = None) -> Trained:
        """Run the planned phases and save the system after each; `track` is called with every epoch.

        Checkpoints are saved after the first epoch, as `--save-every` and `--save-every-minutes` say, and at
        the end of a phase. Raises `Stopped` where the system asks the process to end.
        """
        if is_writer():
            self.folder.begin(to_dict(self.settings))
        wait_for_all("the run folder is ready")
        log = RunLog(self.folder.log, self.console, track)
        phases = make_phases(self.settings)
        system = replicated(self._first_system(), self.mesh)
        path = Path()
        with asked_to_end() as self.ending:
            try:
                for number in planned:
                    system, path = self._run_phase(phases[number], system, log)
                    release_programs()
            finally:
                if is_writer():
                    self.folder.end()
        system = on_this_process(system, self.mesh)
        return Trained(path, self.settings, planned[-1], system, self.dataset.normaliser)

    def _first_system(self) -> System:
        if self.resumed is not None:
            return self.resumed.system(self.settings)
        key = jr.fold_in(jr.key(self.settings.training.run.seed), 0)
        return build_system(self.settings, self.dataset.features, key=key)

    def prepare(
        self, phase: Phase, system: System, samples: int | None = None
    ) -> tuple[Fit, TrainState]:
        """A phase before its first block, and its first state. A single block has only so many `samples`, if
        given."""
        blocks = self.dataset.blocks(phase, system, self.settings, self.mesh)
        if samples is not None and isinstance(blocks, Whole):
            blocks = replace(blocks, samples=samples)
        data = blocks.start()
        if phase.windows:
            latents = data.latents or encode_all(system, data.x)
            system = system.regressed(data._replace(latents=latents).windows())
        else:
            system = system.started(np.asarray(data.x), np.asarray(data.left))
        fit = Fit.of(self.settings, phase, system, blocks, mesh=self.mesh)
        state = fit.start(system, self.settings.training.run.seed)
        if (resumed := self._resumed_in(phase)) is not None:
            state = replicated(resumed.state(state), self.mesh)
        return fit, state

    def _resumed_in(self, phase: Phase) -> Checkpoint | None:
        """The checkpoint to go on from, if it is of this phase."""
        resumed = self.resumed
        return None if resumed is None or resumed.meta.phase != phase.number else resumed

    def _part(self, phase: Phase, fit: Fit) -> Part | None:
        """What is done of the epoch in which a resumed phase goes on."""
        resumed = self._resumed_in(phase)
        if resumed is None or not resumed.meta.block:
            return None
        meta, found = resumed.meta, fit.blocks.count
        if meta.blocks != found:
            raise InputError(
                f"{resumed.path}: is in the middle of an epoch of {meta.blocks} blocks, which now has "
                f"{found}; leave --block-mb as it was, or go on from the epoch before."
            )
        return Part(meta.block, meta.blocks, meta.sums)

    def _run_phase(self, phase: Phase, system: System, log: RunLog) -> tuple[System, Path]:
        """The system after a phase, and its checkpoint."""
        log.start_phase()
        run = self.settings.training.run
        fit, begun = self.prepare(phase, system)
        part = self._part(phase, fit)
        validation = replicated(self.dataset.validation(phase), self.mesh)
        validate = validate_windows if phase.windows else validate_frames
        saver, saved = self._saver(phase), Path()
        with make_progress(self.console) as progress:
            title = f"phase {phase.number} ({phase.title})"
            task = progress.add_task(
                title, total=phase.epochs, completed=int(begun.epoch), note="compiling"
            )
            began = time.perf_counter()
            fit = fit.compiled(begun)
            seconds = time.perf_counter() - began
            self.console.print(f"{title}: compiled in {seconds:.1f} s", highlight=False)
            progress.update(task, note="first epoch")
            began = time.perf_counter()

            def between(state: TrainState, part: Part) -> None:
                saver.wait()
                note = pace(fit.blocks, part, time.perf_counter() - began)
                done = int(state.epoch) + part.block / part.blocks
                progress.update(task, completed=done, note=note)
                self._save_if(self._is_overdue(), saver, state, log, part)

            try:
                for number, state, metrics in fit(begun, part, between):
                    saver.wait()  # for a checkpoint that was saved during this epoch
                    system, last = state.system, number == phase.epochs
                    show = last or (number - 1) % run.log_every == 0
                    if show:
                        metrics |= {
                            k: float(v) for k, v in validate(state.system, validation).items()
                        }
                    check_finite(number - 1, metrics)
                    metrics["seconds"] = time.perf_counter() - began
                    if is_writer():
                        log.epoch(phase.number, number - 1, metrics, show=show)
                    progress.update(task, completed=number, note=headline(metrics))
                    due = last or self._is_overdue() or number % run.save_every == 0
                    saved = self._save_if(due, saver, state, log) or saved
                    began = time.perf_counter()
            except DivergedError as error:
                raise InputError(
                    f"{self.run}: phase {phase.number}, {error}; lower the learning rate or --wm-dt. "
                    "Earlier checkpoints are kept."
                ) from None
            finally:
                saver.finish()
        log.summary(phase.number, phase.title)
        return system, saved

    def _is_overdue(self) -> bool:
        longest = 60.0 * self.settings.training.run.save_every_minutes
        return agreed(time.monotonic() - self.saved_at > longest)

    def _save_if(
        self, due: bool, saver: Saver, state: TrainState, log: RunLog, part: Part | None = None
    ) -> Path | None:
        """Begin to save where that is due, or the process is to end, which it then does; the first checkpoint
        is waited for, since with it the log gets its place."""
        ending = agreed(self.ending())
        if not due and not ending:
            return None
        path, first = self.run / saver(state, part), self.saved_at == -math.inf
        self.saved_at = time.monotonic()
        if first or ending:
            saver.wait()
            log.file = self.folder.log
        if ending:
            raise Stopped(path)
        return path

    def _saver(self, phase: Phase) -> Saver:
        frames, normaliser = self.dataset.frames, self.dataset.normaliser
        data = frames.source, frames.digest, normaliser.left_out(frames)
        names = frames.columns, frames.action_columns
        sizes = frames.episodes, int(frames.offsets[-1])
        facts = (*data, *names, *sizes, self.asked)
        meta = Meta(self.settings, phase.number, 0, self.dataset.features, *facts)
        publish = self.folder.publish if is_writer() else lambda: None
        folder, support = self.folder.new, self.dataset.support
        return Saver(folder, publish, phase.number, normaliser, support, meta)


def pace(blocks: Whole | Streamed, part: Part, seconds: float) -> str:
    """Samples a second in an epoch so far, the share of the time in which it waited for data, and the time
    that is left of it."""
    rate = part.block * blocks.samples / seconds
    left = seconds * (part.blocks - part.block) / part.block
    return f"{rate:,.0f} samples/s, {blocks.waited() / seconds:.0%} waiting, {left:.0f} s to the epoch's end"
