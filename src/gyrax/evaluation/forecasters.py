"""Every forecaster of a comparison: made, trained or taken from the cache, and rolled out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from rich.console import Console

from gyrax.evaluation.baselines import FlatTwin
from gyrax.evaluation.baselines.flat_twin import FLAT
from gyrax.evaluation.baselines.networks import matched_gru, matched_mlp
from gyrax.evaluation.baselines.windows import WindowBatch
from gyrax.evaluation.cache import Cache, cache_key
from gyrax.evaluation.fit import fit, forecaster_phase, fresh_system, world_model_phase
from gyrax.evaluation.latents import Latents
from gyrax.model.system import System
from gyrax.model.world_model import Trajectory
from gyrax.runtime.console import make_progress
from gyrax.training.build import build_world_model
from gyrax.training.phases import Phase, make_phases

BATCH = 512
MODEL = "model"
LEARNED = ("mlp", "gru", "flat_twin")
Make = Callable[[int], Any]


@eqx.filter_jit
def _roll(system: System, context: Any, weights: Any, actions: Any) -> Trajectory:
    return system.rollout(context, weights, actions)


@eqx.filter_jit
def _forecast(module: Any, context: Any, weights: Any, actions: Any) -> jax.Array:
    return jax.vmap(module.forecast)(context, weights, actions)


def in_blocks(function: Callable[..., Any], *arrays: np.ndarray, size: int = BATCH) -> Any:
    """A function of rows, in blocks of one shape so that one program serves them all."""
    count = len(arrays[0])
    size = min(size, count)
    parts = []
    for begin in range(0, count, size):
        rows = np.minimum(np.arange(begin, begin + size), count - 1)
        block = function(*(jnp.asarray(a[rows]) for a in arrays))
        parts.append(jax.tree.map(np.asarray, block))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)


def rollouts(system: System, batch: WindowBatch) -> Trajectory:
    """Noise-free rollouts of the world model."""
    roll = lambda *window: _roll(system, *window)
    return in_blocks(roll, batch.context, batch.weights, batch.actions)


def forecast(module: Any, batch: WindowBatch) -> np.ndarray:
    """The points (M, H, D) that a system or a trained baseline forecasts."""
    if isinstance(module, System):
        return np.asarray(rollouts(module, batch).positions)
    roll = lambda *window: _forecast(module, *window)
    return in_blocks(roll, batch.context, batch.weights, batch.actions)


def make_twin(latents: Latents, seed: int) -> FlatTwin:
    """The flat twin of the world model that starts from `seed`."""
    config = latents.config
    ball = fresh_system(config, latents.system, seed).world_model
    flat = replace(config, curvature=FLAT)
    # Only the shapes and the curvature of this one are used; its arrays are those of `ball`.
    shapes = build_world_model(flat, ball.jump_operator.center, key=jr.key(0))
    return FlatTwin.of(ball, shapes)


def trained_count(system: System, phase: Phase) -> int:
    """How many numbers phase 2 trains."""
    chosen = eqx.filter(system, phase.trainable(system))
    return sum(leaf.size for leaf in jax.tree.leaves(chosen))


@dataclass(frozen=True)
class Trainer:
    """Trains forecasters on one set of latents, or takes them from the cache.

    **Fields:** `latents`; `run`, the folder with the cache, or None for no cache; `last_phase`, up to
    which the checkpoint was trained; `console`.
    """

    latents: Latents
    run: Path | None
    last_phase: int
    console: Console

    def makers(self) -> dict[str, Make]:
        """How to make each forecaster, untrained, from a seed."""
        config, system = self.latents.config, self.latents.system
        dim, c = config.latent_dim, config.curvature
        count = trained_count(system, make_phases(config)[2])
        mlp = matched_mlp(count, dim, config.action_width, context=config.wm_context, c=c)
        gru = matched_gru(count, dim, config.action_width, c=c)
        key = lambda seed: jr.fold_in(jr.key(seed), 0)
        return {
            MODEL: lambda seed: fresh_system(config, system, seed),
            "mlp": lambda seed: mlp(key(seed)),
            "gru": lambda seed: gru(key(seed)),
            "flat_twin": lambda seed: make_twin(self.latents, seed),
        }

    def train(self, names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[Any]]:
        """Every named forecaster, one for each seed; those not in the cache are trained."""
        config = self.latents.config
        phase = world_model_phase(config, self.last_phase)
        cache = None if self.run is None else Cache(self.run, self.console)
        found: dict[str, list[Any]] = {}
        missing: dict[str, list[int]] = {}
        key = lambda name, seed: cache_key(name, config, phase.epochs, seed, self.latents.identity)
        makers = self.makers()
        for name in names:
            made = [makers[name](seed) for seed in seeds]
            stored = [
                None if cache is None else cache.load(name, seed, key(name, seed), module)
                for seed, module in zip(seeds, made, strict=True)
            ]
            missing[name] = [i for i, module in enumerate(stored) if module is None]
            found[name] = [
                new if old is None else old for old, new in zip(stored, made, strict=True)
            ]
        data = self.latents.training_data() if any(missing.values()) else None
        with make_progress(self.console) as progress:
            for name in (n for n in names if missing[n]):
                rows = missing[name]
                total = phase.epochs * len(rows)
                task = progress.add_task(f"training {name}", total=total, note="compiling")
                told = lambda done, loss, task=task: progress.update(
                    task, completed=done, note=f"loss {loss:.4f}"
                )
                own = phase if name == MODEL else forecaster_phase(config, phase)
                chosen = [seeds[i] for i in rows]
                assert data is not None

                def finished(k: int, module: Any, name: str = name, rows: list = rows) -> None:
                    i = rows[k]
                    found[name][i] = module
                    if cache is not None:
                        cache.save(name, seeds[i], key(name, seeds[i]), module)

                fit(config, own, data, [found[name][i] for i in rows], chosen, finished, told)
        return found
