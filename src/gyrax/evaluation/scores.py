"""Forecasts of one set of windows, scored: errors of latents and of decoded features, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np

from gyrax.evaluation.baselines import Ridge, constant_velocity, persistence
from gyrax.evaluation.forecasters import MODEL, forecast, in_blocks, rollouts
from gyrax.evaluation.intervals import Bootstrap
from gyrax.evaluation.latents import Latents, Selection
from gyrax.model.system import System
from gyrax.model.world_model import Trajectory

SHUFFLED = "shuffled_actions"
ORDER = (
    MODEL, "flat_twin", "gru", "mlp", "ridge", "constant_velocity", "persistence", SHUFFLED,
)  # fmt: skip
DECODED_AT_ONCE = 2048


@dataclass(frozen=True)
class Scored:
    """The report of all forecasts of some windows, their errors `(seeds, M, H)` by name, and the
    model's rollouts, one a seed."""

    report: dict[str, Any]
    errors: dict[str, np.ndarray]
    trajectories: list[Trajectory]


@eqx.filter_jit
def _decode(system: System, z: jax.Array) -> jax.Array:
    return jax.vmap(system.decoder)(z)[0]


def decode(system: System, points: np.ndarray) -> np.ndarray:
    """Features of points of any leading shape, texture unknown."""
    rows = points.reshape(-1, points.shape[-1])
    decoded = in_blocks(lambda z: _decode(system, z), rows, size=DECODED_AT_ONCE)
    return decoded.reshape(*points.shape[:-1], -1)


def forecasts_of(
    latents: Latents,
    modules: Mapping[str, list[Any]],
    trajectories: list[Trajectory],
    chosen: Selection,
    split: str,
) -> dict[str, list[np.ndarray]]:
    """Points (M, H, D) by name, one array for each seed; what needs no training has one. The model's
    are those of its `trajectories`.

    Foreign actions are those of other episodes of the split or, where it has but one, of the training
    episodes. Ridge is left out where no training or validation episode is long enough to fit it.
    """
    batch = chosen.batch
    train, val = (latents.windows(name, batch.horizon) for name in ("train", "val"))
    points: dict[str, list[np.ndarray]] = {
        name: [forecast(module, batch) for module in group]
        for name, group in modules.items()
        if name != MODEL
    }
    points[MODEL] = [np.asarray(trajectory.positions) for trajectory in trajectories]
    points["persistence"] = [persistence(batch)]
    points["constant_velocity"] = [constant_velocity(batch)]
    if train is not None and val is not None:
        points["ridge"] = [Ridge(train.batch, val.batch)(batch)]
    several = len(np.unique(batch.episode)) > 1
    pool = train if train is not None and not several and split != "train" else chosen
    if pool is not chosen or several:
        foreign = batch.with_foreign_actions(pool.batch)
        points[SHUFFLED] = [forecast(module, foreign) for module in modules[MODEL]]
    return {name: points[name] for name in ORDER if name in points}


def score(
    latents: Latents, modules: Mapping[str, list[Any]], chosen: Selection, split: str
) -> Scored:
    """Score the given modules, and the baselines that need no training, on windows of one length."""
    batch = chosen.batch
    errors, squares = {}, {}
    trajectories = [rollouts(system, batch) for system in modules[MODEL]]
    for name, group in forecasts_of(latents, modules, trajectories, chosen, split).items():
        errors[name] = np.stack([batch.errors(points) for points in group])
        squares[name] = np.stack(
            [((decode(latents.system, points) - chosen.truth) ** 2).mean(-1) for points in group]
        )
    bootstrap = Bootstrap(batch.episode)
    report: dict[str, Any] = {
        "episodes": bootstrap.count,
        "short_episodes": list(chosen.short),
        "windows": len(batch),
        "horizon": list(range(1, batch.horizon + 1)),
    }
    missing = [name for name in ("ridge", SHUFFLED) if name not in errors]
    if missing:
        report["note"] = f"too few long episodes for {', '.join(missing)}"
    still = errors["persistence"].mean()
    for name in errors:
        report[name] = bootstrap.mean(errors[name]).entries("geodesic")
        report[name] |= bootstrap.total_mean(errors[name]).entries("geodesic_mean")
        report[name] |= bootstrap.root_mean(squares[name]).entries("feature_rmse")
        if name != "persistence":
            report[name]["skill_mean"] = float(1.0 - errors[name].mean() / still)
    report["differences"] = {
        name: _differences(bootstrap, errors, squares, name) for name in errors if name != MODEL
    }
    return Scored(report, errors, trajectories)


def _differences(
    bootstrap: Bootstrap, errors: dict[str, Any], squares: dict[str, Any], name: str
) -> dict[str, Any]:
    """The model minus a baseline, paired by window; below zero the model is better."""
    ours, theirs = errors[MODEL], errors[name]
    whole = bootstrap.difference(ours.mean(-1, keepdims=True), theirs.mean(-1, keepdims=True))
    return (
        bootstrap.difference(ours, theirs).entries("geodesic")
        | whole.scalar().entries("geodesic_mean")
        | bootstrap.root_difference(squares[MODEL], squares[name]).entries("feature_rmse")
    )
