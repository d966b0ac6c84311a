"""What the measured programs of one configuration share: the default data set and an untrained system."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from rich.console import Console

from gyrax.bench.yardsticks import like
from gyrax.data.frames import load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.model.system import System
from gyrax.training.build import build_system
from gyrax.training.dataset import Dataset
from gyrax.training.fit import Fit
from gyrax.training.phases import make_phases
from gyrax.training.presets import make_settings
from gyrax.training.settings import Settings
from gyrax.training.state import TrainState
from gyrax.training.step import encode_all
from gyrax.training.trainer import Trainer

Note = Callable[[str], None]
"""Says what is being measured now."""


class Bench(NamedTuple):
    """Settings, the default data set and an untrained system."""

    settings: Settings
    trainer: Trainer
    system: System

    def system_of(self, kind: str) -> System:
        """The system itself for `ours`, else with its world model replaced by a yardstick."""
        if kind == "ours":
            return self.system
        return replace(self.system, world_model=like(self.system.world_model, kind))

    def with_horizon(self, horizon: int) -> "Bench":
        """The same with windows of another horizon."""
        settings = make_settings(None, {"sequence_length": horizon + 1}, self.settings)
        return make_bench(settings, self.trainer.console)


def make_bench(settings: Settings, console: Console) -> Bench:
    """Load the default data and build a system."""
    dataset = Dataset.of(load_frames(DEFAULT_FOLDER), settings)
    trainer = Trainer(settings, dataset, Path(tempfile.gettempdir()), console)
    key = jr.key(settings.training.run.seed)
    return Bench(settings, trainer, build_system(settings, dataset.features, key=key))


def epoch_arguments(
    bench: Bench, number: int, kind: str, batches: int | None
) -> tuple[Callable[[], Any], Fit, TrainState]:
    """`(make, fit, state)`: `make()` is the jitted pass of so many batches (all of them if None), to be
    called with `fit.arguments(state)`."""
    samples = None if batches is None else batches * bench.settings.training.batch_size
    phase, system = make_phases(bench.settings)[number], bench.system_of(kind)
    fit, state = bench.trainer.prepare(phase, system, samples)
    make = lambda: bench.trainer.prepare(phase, system, samples)[0].run
    return make, fit, state


def rollout_arguments(bench: Bench, kind: str) -> tuple:
    """`(make, *arguments)` of one rollout of a batch of windows, with the noise of the preset."""
    dataset, size = bench.trainer.dataset, bench.settings.training.batch_size
    latents = encode_all(bench.system, jnp.asarray(dataset.x))
    windows = dataset.training_windows(latents).windows()
    window = jax.tree.map(lambda a: jnp.asarray(a[:size]), windows)
    keys = jr.split(jr.key(1), size) if bench.system.is_stochastic else None
    axes = (0, None if keys is None else 0)
    make = lambda: eqx.filter_jit(lambda system, *args: jax.vmap(system.rollout, axes)(*args))
    return make, bench.system_of(kind), window, keys
