"""What the measured programs of one configuration share: the default data set and an untrained system."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from rich.console import Console

from gyrax.bench.yardsticks import like
from gyrax.data.frames import load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.model.system import System
from gyrax.training.build import build_system
from gyrax.training.loop import Trainer
from gyrax.training.phases import make_phases
from gyrax.training.settings import TrainConfig
from gyrax.training.step import encode_all

Note = Callable[[str], None]
"""Says what is being measured now."""


class Bench(NamedTuple):
    """A configuration, its data and an untrained system."""

    config: TrainConfig
    trainer: Trainer
    system: System

    def system_of(self, kind: str) -> System:
        """The system itself for `ours`, else with its world model replaced by a yardstick."""
        if kind == "ours":
            return self.system
        return eqx.tree_at(
            lambda s: s.world_model, self.system, like(self.system.world_model, kind)
        )

    def with_horizon(self, horizon: int) -> "Bench":
        """The same with windows of another horizon."""
        config = replace(self.config, sequence_length=horizon + 1)
        return make_bench(config, self.trainer.console)


def make_bench(config: TrainConfig, console: Console) -> Bench:
    """Load the default data and build a system."""
    trainer = Trainer(config, load_frames(DEFAULT_FOLDER), Path(tempfile.gettempdir()), console)
    return Bench(config, trainer, build_system(config, trainer.x.shape[1], key=jr.key(config.seed)))


def epoch_arguments(bench: Bench, number: int, kind: str, batches: int | None) -> tuple:
    """`(make, data, state, trainable)`: `make()` is the jitted epoch of so many batches (all of them
    if None), to be called with `data` and `state`."""
    samples = None if batches is None else batches * bench.config.batch_size
    phase, system = make_phases(bench.config)[number], bench.system_of(kind)
    prepared = bench.trainer.prepare(phase, system, samples)
    make = lambda: bench.trainer.prepare(phase, system, samples).epoch
    return make, prepared.data, prepared.state, prepared.trainable


def rollout_arguments(bench: Bench, kind: str) -> tuple:
    """`(make, *arguments)` of one rollout of a batch of windows, with the noise of the preset."""
    config, trainer = bench.config, bench.trainer
    index = trainer.windows["train"].index[: config.batch_size]
    z, w, _ = encode_all(bench.system, jnp.asarray(trainer.x))
    known = index[:, : config.wm_context]
    acts = trainer.actions[index[:, config.wm_context - 1 : -1]]
    keys = jr.split(jr.key(1), len(index)) if config.wm_T_c else None
    make = lambda: eqx.filter_jit(lambda system, *args: system.rollout(*args))
    return make, bench.system_of(kind), z[known], w[known[:, -1]], acts, keys
