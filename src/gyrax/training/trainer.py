"""A training run: its phases in turn, logged, validated and saved into a run folder."""

import math
import time
from dataclasses import dataclass
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
from gyrax.training.build import build_system
from gyrax.training.checkpoint import Checkpoint, Meta
from gyrax.training.dataset import Dataset
from gyrax.training.fit import DivergedError, Fit, check_finite
from gyrax.training.log import RunLog, headline
from gyrax.training.phases import Data, Latents, Phase, make_phases
from gyrax.training.presets import to_dict
from gyrax.training.run_folder import RunFolder
from gyrax.training.saver import Saver
from gyrax.training.settings import Settings
from gyrax.training.state import TrainState
from gyrax.training.step import encode_all, validate_frames, validate_windows
from gyrax.training.trackers import Track

LONGEST = 600.0
"""Seconds of training after which a checkpoint is saved, whatever `--save-every` says."""


@dataclass(frozen=True)
class Trained:
    """A trained system and what it was trained with.

    **Fields:** `path`, its checkpoint; `phase`, the last one; `latents`, of every frame of the data set
    that it was trained on, where its last phase knew them.
    """

    path: Path
    settings: Settings
    phase: int
    system: System
    normaliser: Normaliser
    latents: Latents | None = None

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
        _ = dataset.train_windows, dataset.val_windows
        if settings.weights[REACH] > 0:
            dataset.check_neighbours()
        self.settings, self.dataset, self.run, self.console = settings, dataset, run, console
        self.resumed, self.asked = resumed, asked
        self.folder, self.saved_at = RunFolder(run, resumed), -math.inf
        self.mesh: Mesh = training_mesh(settings.training.batch_size)

    def train(self, planned: list[int], track: Track | None = None) -> Trained:
        """Run the planned phases and save the system after each; `track` is called with every epoch.

        Checkpoints are saved after the first epoch, as `--save-every` says, at least every `LONGEST` seconds,
        and at the end of a phase.
        """
        if is_writer():
            self.folder.begin(to_dict(self.settings))
        wait_for_all("the run folder is ready")
        log = RunLog(self.folder.log, self.console, track)
        phases = make_phases(self.settings)
        system = replicated(self._first_system(), self.mesh)
        path, latents = Path(), None
        for number in planned:
            system, path, latents = self._run_phase(phases[number], system, log)
            release_programs()
        if is_writer():
            self.folder.end()
        system, latents = on_this_process((system, latents), self.mesh)
        normaliser = self.dataset.normaliser
        return Trained(path, self.settings, planned[-1], system, normaliser, latents)

    def _first_system(self) -> System:
        if self.resumed is not None:
            return self.resumed.system(self.settings)
        key = jr.fold_in(jr.key(self.settings.training.run.seed), 0)
        return build_system(self.settings, self.dataset.x.shape[1], key=key)

    def prepare(
        self, phase: Phase, system: System, samples: int | None = None
    ) -> tuple[Fit, TrainState, Data]:
        """A phase before its first epoch, its first state, and what it is validated on. An epoch takes
        only so many `samples`, if given."""
        data, validation = self.dataset.of_phase(phase, system, self.mesh)
        if phase.windows:
            latents = data.latents or encode_all(system, data.x)
            system = system.regressed(data._replace(latents=latents).windows())
        else:
            system = system.started(np.asarray(data.x), np.asarray(data.left))
        fit = Fit.of(self.settings, phase, system, data, samples=samples, mesh=self.mesh)
        state = fit.start(system, self.settings.training.run.seed)
        if self.resumed is not None and self.resumed.meta.phase == phase.number:
            state = replicated(self.resumed.state(state), self.mesh)
        return fit, state, replicated(validation, self.mesh)

    def _run_phase(
        self, phase: Phase, system: System, log: RunLog
    ) -> tuple[System, Path, Latents | None]:
        """The system after a phase, its checkpoint, and the latents that the phase knew."""
        log.start_phase()
        run = self.settings.training.run
        fit, begun, validation = self.prepare(phase, system)
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
            try:
                for number, state, metrics in fit(begun):
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
                    overdue = agreed(time.monotonic() - self.saved_at > LONGEST)
                    if last or overdue or number % run.save_every == 0:
                        saved = self._save(saver, state, log)
                    began = time.perf_counter()
            except DivergedError as error:
                raise InputError(
                    f"{self.run}: phase {phase.number}, {error}; lower the learning rate or --wm-dt. "
                    "Earlier checkpoints are kept."
                ) from None
            finally:
                saver.finish()
        log.summary(phase.number, phase.title)
        return system, saved, fit.data.latents

    def _save(self, saver: Saver, state: TrainState, log: RunLog) -> Path:
        """Begin to save; the first checkpoint is waited for, since with it the log gets its place."""
        name, first = saver(state), self.saved_at == -math.inf
        self.saved_at = time.monotonic()
        if first:
            saver.wait()
            log.file = self.folder.log
        return self.run / name

    def _saver(self, phase: Phase) -> Saver:
        frames, normaliser = self.dataset.frames, self.dataset.normaliser
        features = self.dataset.x.shape[1]
        data = frames.source, frames.digest, normaliser.left_out(frames)
        names = frames.columns, frames.action_columns
        sizes = frames.episodes, len(frames.actions)
        meta = Meta(self.settings, phase.number, 0, features, *data, *names, *sizes, self.asked)
        publish = self.folder.publish if is_writer() else lambda: None
        folder, support = self.folder.new, self.dataset.support
        return Saver(folder, publish, phase.number, normaliser, support, meta)
