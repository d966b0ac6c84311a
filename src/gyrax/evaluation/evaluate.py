"""How well a trained world model predicts, on episodes that it was not trained on."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gyrax.data.frames import Frames
from gyrax.data.windows import make_windows, split_episodes
from gyrax.dynamics import kinetic_energy
from gyrax.evaluation.baselines import Ridge, WindowBatch, persistence
from gyrax.geometry import safe_norm
from gyrax.model.system import System
from gyrax.model.world_model import Trajectory
from gyrax.training import checkpoint as ckpt
from gyrax.training.loop import Resumed, load_system
from gyrax.training.step import encode_all

BOUNDARY = 0.95
BATCH = 512


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one split. `report` is the JSON; the rest is for figures."""

    report: dict[str, Any]
    trajectory: Trajectory
    batch: WindowBatch
    episode: np.ndarray


@eqx.filter_jit
def _roll(system: System, context: jax.Array, w: jax.Array, actions: jax.Array) -> Trajectory:
    return system.rollout(context, w, actions)


@eqx.filter_jit
def _decode(system: System, z: jax.Array) -> jax.Array:
    return jax.lax.map(system.decoder, z, batch_size=1024)[0]


def _rollouts(system: System, context: Any, w: Any, actions: Any) -> Trajectory:
    """Noise-free rollouts, in blocks of one shape so that one program serves them all."""
    count = len(context)
    size = min(BATCH, count)
    parts = []
    for begin in range(0, count, size):
        rows = np.minimum(np.arange(begin, begin + size), count - 1)
        parts.append(jax.tree.map(np.asarray, _roll(system, context[rows], w[rows], actions[rows])))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)


def evaluate(resumed: Resumed, frames: Frames, split: str) -> Evaluation:
    """Measure a checkpoint on one split of a data set, beside persistence and ridge regression.

    All forecasts see the same windows: `context` latent points, then the actions. Ridge is fitted on
    the training episodes' latents and chooses its penalties on the validation episodes.
    """
    config = resumed.meta.config
    system = load_system(resumed)
    x, actions = ckpt.stored_normaliser(resumed.arrays)(frames)
    z, w, chart = (np.asarray(a) for a in encode_all(system, jnp.asarray(x)))
    episodes = split_episodes(frames.episodes, config.val_fraction)
    context = config.wm_context
    windows = {
        name: make_windows(frames, rows, context, config.horizon, padded=False)
        for name, rows in episodes.items()
    }

    def batch_of(name: str) -> WindowBatch:
        index = windows[name].index
        acts = actions[index[:, context - 1 : -1]]
        return WindowBatch(z[index[:, :context]], acts, z[index[:, context:]], config.curvature)

    batch = batch_of(split)
    index = windows[split].index
    trajectory = _rollouts(system, batch.context, w[index[:, context - 1]], batch.actions)
    forecasts = {
        "model": np.asarray(trajectory.positions),
        "persistence": persistence(batch),
        "ridge": Ridge(batch_of("train"), batch_of("val"))(batch),
    }
    truth = x[index[:, context:]]
    report: dict[str, Any] = {
        "checkpoint": str(resumed.path),
        "data": frames.source,
        "split": split,
        "episodes": len(episodes[split]),
        "windows": len(index),
        "horizon": list(range(1, config.horizon + 1)),
    }
    for name, points in forecasts.items():
        report[name] = _scores(system, batch, points, truth)
    still = np.asarray(report["persistence"]["geodesic"])
    for name in ("model", "ridge"):
        errors = np.asarray(report[name]["geodesic"])
        report[name]["skill_mean"] = float(1.0 - errors.mean() / still.mean())
    report["skill"] = list(1.0 - np.asarray(report["model"]["geodesic"]) / still)
    report["skill_mean"] = report["model"]["skill_mean"]
    rows = frames.rows(episodes[split])
    report |= _diagnostics(system, trajectory, chart[index[:, context:]], x[rows], z[rows])
    return Evaluation(report, trajectory, batch, windows[split].episode)


def _scores(system: System, batch: WindowBatch, points: np.ndarray, truth: np.ndarray) -> dict:
    decoded = np.asarray(_decode(system, jnp.asarray(points.reshape(-1, points.shape[-1]))))
    square = (decoded.reshape(truth.shape) - truth) ** 2
    return {
        "geodesic": batch.errors(points).mean(0).tolist(),
        "feature_rmse": np.sqrt(square.mean((0, 2))).tolist(),
    }


def _diagnostics(
    system: System, trajectory: Trajectory, chart: np.ndarray, x: np.ndarray, z: np.ndarray
) -> dict[str, float]:
    """Scalars about charts, energy, jumps and codes."""
    c = system.world_model.c
    positions, momenta = jnp.asarray(trajectory.positions), jnp.asarray(trajectory.momenta)
    energy = np.asarray(trajectory.effective_potential + kinetic_energy(positions, momenta, c))
    encoding = eqx.filter_jit(lambda s, x: s.encode(x))(system, jnp.asarray(x))
    used = np.take_along_axis(
        np.asarray(encoding.code), np.asarray(encoding.chart)[:, None], axis=1
    )
    pairs = set(zip(np.asarray(encoding.chart).tolist(), used[:, 0].tolist(), strict=True))
    charts, codes, _ = system.encoder.codebook.code.shape
    radius = c**0.5 * np.asarray(safe_norm(jnp.asarray(z)))
    return {
        "chart_accuracy": float((trajectory.chart_logits.argmax(-1) == chart).mean()),
        "energy_drift": float(np.abs(energy - energy[:, :1]).max(axis=1).mean()),
        "jump_rate": float(np.asarray(trajectory.jump_rates).mean()),
        "jumps_per_frame": float(np.asarray(trajectory.jump_mask).mean()),
        "codebook_use": len(pairs) / (charts * codes),
        "charts_used": float(len({chart for chart, _ in pairs})) / charts,
        "near_boundary": float((radius > BOUNDARY).mean()),
        "encoded_feature_rmse": float(
            np.sqrt(np.mean((np.asarray(_decode(system, jnp.asarray(z))) - x) ** 2))
        ),
    }
