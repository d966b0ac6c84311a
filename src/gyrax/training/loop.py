"""The training loop: one for all phases."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.data.frames import Frames
from gyrax.data.normaliser import Normaliser
from gyrax.data.windows import make_windows, split_episodes
from gyrax.model.system import System
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import release_programs
from gyrax.runtime.processes import is_writer, replicated, training_mesh
from gyrax.training import checkpoint as ckpt
from gyrax.training.build import build_system
from gyrax.training.log import RunLog, headline
from gyrax.training.phases import Data, Phase, make_phases
from gyrax.training.programs import Programs, Sought
from gyrax.training.regression import with_regressed_servo
from gyrax.training.settings import ARCHITECTURE, TrainConfig, flag_of, to_json
from gyrax.training.start import start_phase
from gyrax.training.state import TrainState
from gyrax.training.step import (
    Epoch,
    encode_all,
    exact_norms,
    validate_frames,
    validate_windows,
)

VALIDATION_WINDOWS = 2048


@dataclass(frozen=True)
class Resumed:
    """A checkpoint to go on from."""

    path: Path
    meta: ckpt.Meta
    arrays: dict[str, np.ndarray]


def open_checkpoint(path: Path) -> Resumed:
    """Read a checkpoint, or the newest of a run folder. Raises `InputError` for a damaged one."""
    found = ckpt.find_checkpoint(path)
    return Resumed(found, ckpt.read_meta(found), ckpt.read_arrays(found))


def load_system(resumed: Resumed, config: TrainConfig | None = None) -> System:
    """The system of a checkpoint, under other settings of the same architecture if given."""
    skeleton = build_system(config or resumed.meta.config, resumed.meta.features, key=jr.key(0))
    return ckpt.fill(skeleton, resumed.arrays, ".system", resumed.path)


def plan_phases(selection: str, config: TrainConfig, resumed: Resumed | None) -> list[int]:
    """The phases to run. Phase 2 without an encoder is preceded by phase 1.

    Raises `InputError` where nothing is left to train.
    """
    phases = make_phases(config)
    chosen = [1, 2, 3] if selection == "all" else [int(selection)]
    if selection == "2" and resumed is None:
        chosen = [1, 2]
    if resumed is not None:
        done = resumed.meta
        chosen = [n for n in chosen if n >= done.phase]
        if done.phase in chosen and phases[done.phase].epochs <= done.epoch:
            chosen.remove(done.phase)
    planned = [n for n in chosen if phases[n].epochs > 0]
    if not planned:
        where = f"; {resumed.path} is at phase {resumed.meta.phase}" if resumed else ""
        raise InputError(
            f"--phase {selection}: nothing is left to train{where}; "
            "raise --phaseN-epochs or choose a later phase."
        )
    return planned


def check_architecture(
    config: TrainConfig, resumed: Resumed, names: Sequence[str] = ARCHITECTURE
) -> None:
    """Raise `InputError` where one of the settings `names` is another than the checkpoint's."""
    for name in names:
        have, want = getattr(resumed.meta.config, name), getattr(config, name)
        if have != want:
            raise InputError(
                f"{resumed.path}: was trained with {flag_of(name)} {have}, not {want}; leave the "
                "flag out, or train a new run."
            )


class Prepared(NamedTuple):
    """What a phase trains on, what it is validated on, its first state and its compiled epoch."""

    data: Data
    held: Data
    state: TrainState
    epoch: Epoch
    trainable: Any


class Trainer:
    """Runs phases over one data set in one run folder."""

    def __init__(
        self,
        config: TrainConfig,
        frames: Frames,
        run: Path,
        console: Console,
        resumed: Resumed | None = None,
        programs: Programs | None = None,
    ):
        if frames.actions.shape[1] != config.action_dim:
            raise InputError(
                f"{frames.source}: actions have {frames.actions.shape[1]} columns, --action-dim is "
                f"{config.action_dim}; pass --action-dim {frames.actions.shape[1]}."
            )
        self.config = config
        self.frames = frames
        self.run = run
        self.console = console
        self.resumed = resumed
        self.programs = programs or Programs()
        self.mesh = training_mesh(config.batch_size)
        self.split = split_episodes(frames.episodes, config.val_fraction)
        if resumed is None:
            self.normaliser = Normaliser.fit(
                frames, self.split["train"], history=config.action_history
            )
        else:
            self.normaliser = ckpt.stored_normaliser(resumed.arrays)
        self.x, self.actions = self.normaliser(frames)
        self.windows = {
            name: make_windows(
                frames, self.split[name], config.wm_context, config.horizon, padded=name == "train"
            )
            for name in ("train", "val")
        }

    def train(self, planned: list[int]) -> tuple[System, Path]:
        """Run the planned phases. Returns the system and its last checkpoint."""
        if is_writer():
            self.run.mkdir(parents=True, exist_ok=True)
            (self.run / "config.json").write_text(to_json(self.config))
        log = RunLog(self.run / "log.jsonl", self.console)
        phases = make_phases(self.config)
        system, saved = None, Path()
        for number in planned:
            program = self.programs.seek(self.config, phases[number], self.sizes())
            if system is None:
                system = replicated(self._first_system(), self.mesh)
            state, saved = self._run_phase(phases[number], system, program, log)
            system = state.system
            del state, program  # which holds what it read
            release_programs()
        assert system is not None
        return system, saved

    def sizes(self) -> list[tuple[int, ...]]:
        """What the shapes of a phase's data follow from, beside the settings."""
        rows = self.frames.rows(self.split["train"])
        return [a.shape for a in (self.x, self.actions, rows, self.windows["train"].index)]

    def _first_system(self) -> System:
        if self.resumed is not None:
            return load_system(self.resumed, self.config)
        key = jr.fold_in(jr.key(self.config.seed), 0)
        return build_system(self.config, self.x.shape[1], key=key)

    def prepare(self, phase: Phase, system: System, samples: int | None = None) -> "Prepared":
        """Everything that a phase needs before its first step; an epoch of only `samples` if given."""
        data, held = self._data(phase, system)
        if phase.windows:
            system = with_regressed_servo(system, data)
        samples = samples or (len(data.index) if phase.windows else len(data.x))
        state, epoch, trainable = start_phase(
            self.config, phase, system, samples, seed=self.config.seed, mesh=self.mesh
        )
        if self.resumed is not None and self.resumed.meta.phase == phase.number:
            state = ckpt.fill(state, self.resumed.arrays, "", self.resumed.path)
        data, held, state = (replicated(tree, self.mesh) for tree in (data, held, state))
        return Prepared(data, held, state, epoch, trainable)

    def _run_phase(
        self, phase: Phase, system: System, program: Sought, log: RunLog
    ) -> tuple[TrainState, Path]:
        log.start_phase()
        data, held, state, epoch, trainable = self.prepare(phase, system)
        validate = validate_windows if phase.windows else validate_frames
        saved = Path()
        with make_progress(self.console) as progress:
            title = f"phase {phase.number} ({phase.title})"
            task = progress.add_task(
                title, total=phase.epochs, completed=int(state.epoch), note="compiling"
            )
            began = time.perf_counter()
            compiled = program.compiled(epoch, data, state, self.console)
            seconds = time.perf_counter() - began
            self.console.print(f"{title}: compiled in {seconds:.1f} s", highlight=False)
            progress.update(task, note="first epoch")
            while int(state.epoch) < phase.epochs:
                began = time.perf_counter()
                state, metrics = compiled(data, state)
                state = replicated(exact_norms(state, trainable), self.mesh)
                number = int(state.epoch)
                last = number == phase.epochs
                show = last or (number - 1) % self.config.log_every == 0
                if show:
                    metrics |= validate(state.system, held)
                numbers = {k: float(v) for k, v in metrics.items()}
                numbers["seconds"] = time.perf_counter() - began
                self._check_finite(phase, number, numbers)
                if is_writer():
                    log.epoch(phase.number, number - 1, numbers, show=show)
                progress.update(task, completed=number, note=headline(numbers))
                if last or number % self.config.save_every == 0:
                    saved = self._save(state)
        log.summary(phase.number, phase.title)
        return state, saved

    def _save(self, state: TrainState) -> Path:
        if is_writer():
            return ckpt.save(self.run, state, self.normaliser, self.config, self.frames.source)
        return self.run / ckpt.checkpoint_name(state.phase, int(state.epoch))

    def _data(self, phase: Phase, system: System) -> tuple[Data, Data]:
        """What the phase trains on, and what it is validated on."""
        if not phase.windows:
            rows = {n: self.frames.rows(self.split[n]) for n in ("train", "val")}
            none = np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32)
            part = lambda r: Data(*jax.device_put((self.x[r], self.actions[r], *none)))
            return part(rows["train"]), part(rows["val"])
        x, actions = replicated(jax.device_put((self.x, self.actions)), self.mesh)
        latents = encode_all(system, x) if phase.encoder_frozen else None
        train, val = self.windows["train"], self.windows["val"]
        keep = np.unique(np.linspace(0, len(val) - 1, VALIDATION_WINDOWS).astype(int))
        index, mask, *held = jax.device_put(
            (train.index, train.mask, val.index[keep], val.mask[keep])
        )
        return Data(x, actions, index, mask, latents), Data(x, actions, *held)

    def _check_finite(self, phase: Phase, epoch: int, numbers: dict[str, float]) -> None:
        bad = [name for name, value in numbers.items() if not np.isfinite(value)]
        if bad:
            raise InputError(
                f"{self.run}: phase {phase.number} diverged in epoch {epoch - 1} ({', '.join(bad)} "
                "not finite); lower the learning rate or --wm-dt. Earlier checkpoints are kept."
            )
