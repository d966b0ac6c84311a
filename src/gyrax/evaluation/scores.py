"""Forecasts of one set of windows, scored: errors of latents and of decoded features, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyrax.evaluation.baselines import Ridge, constant_velocity, persistence
from gyrax.evaluation.contestants import MODEL
from gyrax.evaluation.encoded import Encoded, Selection
from gyrax.evaluation.forecasts import decode, forecast, rollouts
from gyrax.evaluation.intervals import Bootstrap
from gyrax.model.forecaster import AbstractForecaster
from gyrax.model.trajectory import Rollout

SHUFFLED = "shuffled_actions"
ORDER = (
    MODEL, "flat_twin", "gru", "mlp", "ridge", "constant_velocity", "persistence", SHUFFLED,
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """The report of all forecasts of some windows, their errors `(seeds, M, H)` by name, and the
    model's rollouts, one a seed."""

    report: dict[str, Any]
    errors: dict[str, np.ndarray]
    rollouts: list[Rollout]


def forecasts_of(
    encoded: Encoded,
    forecasters: Mapping[str, Sequence[AbstractForecaster]],
    rolled: list[Rollout],
    chosen: Selection,
    split: str,
) -> dict[str, list[np.ndarray]]:
    """Points (M, H, D) by name, one array for each seed; what needs no training has one. The model's
    are those that it `rolled` out.

    Foreign actions are those of other episodes of the split or, where it has but one, of the training
    episodes. Ridge is left out where no training or validation episode is long enough to fit it.
    """
    window, c = chosen.window, chosen.c
    train, val = (encoded.windows(name, window.horizon) for name in ("train", "val"))
    points: dict[str, list[np.ndarray]] = {
        name: [forecast(forecaster, window) for forecaster in group]
        for name, group in forecasters.items()
        if name != MODEL
    }
    points[MODEL] = [np.asarray(each.points) for each in rolled]
    points["persistence"] = [persistence(window)]
    points["constant_velocity"] = [constant_velocity(window, c)]
    if train is not None and val is not None:
        points["ridge"] = [Ridge(train.window, val.window, c)(window)]
    several = len(np.unique(chosen.episode)) > 1
    pool = train if train is not None and not several and split != "train" else chosen
    if pool is not chosen or several:
        foreign = chosen.with_foreign_actions(pool)
        points[SHUFFLED] = [forecast(forecaster, foreign) for forecaster in forecasters[MODEL]]
    return {name: points[name] for name in ORDER if name in points}


def score(
    encoded: Encoded,
    forecasters: Mapping[str, Sequence[AbstractForecaster]],
    chosen: Selection,
    split: str,
) -> Scored:
    """Score forecasters, and the baselines that need no training, on windows of one length."""
    errors, squares = {}, {}
    rolled = [rollouts(model, chosen.window) for model in forecasters[MODEL]]
    for name, group in forecasts_of(encoded, forecasters, rolled, chosen, split).items():
        errors[name] = np.stack([chosen.errors(points) for points in group])
        decoded = (decode(encoded.trained.system, points) for points in group)
        squares[name] = np.stack([((x - chosen.truth) ** 2).mean(-1) for x in decoded])
    bootstrap = Bootstrap(chosen.episode)
    report: dict[str, Any] = {
        "episodes": bootstrap.count,
        "short_episodes": list(chosen.short),
        "windows": len(chosen),
        "horizon": list(range(1, chosen.window.horizon + 1)),
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
    return Scored(report, errors, rolled)


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
