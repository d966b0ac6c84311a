"""Forecasts of one set of windows, scored: errors of features and of latents, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyrax.evaluation.baselines import Ridge, constant_velocity, persistence
from gyrax.evaluation.contestants import MODEL, NETWORKS, ON_FEATURES
from gyrax.evaluation.encoded import Encoded, Selection
from gyrax.evaluation.feature_space import FEATURE, features_as_latents
from gyrax.evaluation.forecasts import decode, encode, forecast, rollouts
from gyrax.evaluation.intervals import Bootstrap
from gyrax.model.forecaster import AbstractForecaster
from gyrax.model.system import System
from gyrax.model.trajectory import Rollout

SHUFFLED = "shuffled_actions"
ORDER = (
    MODEL, "flat_twin", "feature_gru", "feature_mlp", "feature_ridge", "feature_persistence",
    "gru", "mlp", "ridge", "constant_velocity", "persistence", SHUFFLED,
)  # fmt: skip
Forecasters = Mapping[str, Sequence[AbstractForecaster]]
Points = dict[str, list[np.ndarray]]
"""Forecasts (M, H, D) by name, one for each seed; what needs no training has one."""


@dataclass(frozen=True)
class Scored:
    """The report of all forecasts of some windows, their errors `(seeds, M, H)` by name, the model's
    rollouts, and the features `(M, H, F)` that they are decoded to, one of each a seed."""

    report: dict[str, Any]
    errors: dict[str, np.ndarray]
    rollouts: list[Rollout]
    features: list[np.ndarray]


def yardsticks(view: Encoded, networks: Forecasters, chosen: Selection) -> Points:
    """What networks forecast, ridge and persistence, in our latent or in feature space.

    Ridge is left out where no training or validation episode is long enough to fit it.
    """
    window = chosen.window
    points: Points = {
        name: [forecast(each, window) for each in group] for name, group in networks.items()
    }
    points["persistence"] = [persistence(window)]
    train, val = (view.windows(name, window.horizon) for name in ("train", "val"))
    if train is not None and val is not None:
        points["ridge"] = [Ridge(train.window, val.window, chosen.c)(window)]
    return points


def latent_forecasts(
    encoded: Encoded,
    forecasters: Forecasters,
    rolled: list[Rollout],
    chosen: Selection,
    split: str,
) -> Points:
    """Forecasts that are points of our latent. The model's are those that it `rolled` out.

    Foreign actions are those of other episodes of the split or, where it has but one, of the training
    episodes.
    """
    names = ("flat_twin", *NETWORKS)
    points = yardsticks(encoded, {n: forecasters[n] for n in names if n in forecasters}, chosen)
    points[MODEL] = [np.asarray(each.points) for each in rolled]
    points["constant_velocity"] = [constant_velocity(chosen.window, chosen.c)]
    several = len(np.unique(chosen.episode)) > 1
    pool = chosen
    if not several and split != "train":
        pool = encoded.windows("train", chosen.window.horizon) or chosen
    if pool is not chosen or several:
        foreign = chosen.with_foreign_actions(pool)
        points[SHUFFLED] = [forecast(forecaster, foreign) for forecaster in forecasters[MODEL]]
    return points


def feature_forecasts(
    encoded: Encoded, forecasters: Forecasters, horizon: int, split: str
) -> Points:
    """Forecasts of the same windows that are features, with no part of our latent in them."""
    view = features_as_latents(encoded)
    chosen = view.windows(split, horizon)
    assert chosen is not None
    networks = {n.removeprefix(FEATURE): forecasters[n] for n in ON_FEATURES if n in forecasters}
    return {FEATURE + name: found for name, found in yardsticks(view, networks, chosen).items()}


def both(system: System, name: str, forecast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A forecast as points of our latent and as features: encoded or decoded, as it needs."""
    if name.startswith(FEATURE):
        return encode(system, forecast), forecast
    return forecast, decode(system, forecast)


def score(encoded: Encoded, forecasters: Forecasters, chosen: Selection, split: str) -> Scored:
    """Score forecasters, and the baselines that need no training, on windows of one length."""
    system, horizon = encoded.trained.system, chosen.window.horizon
    errors, squares, features = {}, {}, []
    rolled = [rollouts(model, chosen.window) for model in forecasters[MODEL]]
    found = latent_forecasts(encoded, forecasters, rolled, chosen, split)
    found |= feature_forecasts(encoded, forecasters, horizon, split)
    for name in (name for name in ORDER if name in found):
        pairs = [both(system, name, each) for each in found[name]]
        errors[name] = np.stack([chosen.errors(points) for points, _ in pairs])
        squares[name] = np.stack([((x - chosen.truth) ** 2).mean(-1) for _, x in pairs])
        if name == MODEL:
            features = [x for _, x in pairs]
    bootstrap = Bootstrap(chosen.episode)
    report: dict[str, Any] = {
        "episodes": bootstrap.count,
        "short_episodes": list(chosen.short),
        "windows": len(chosen),
        "horizon": list(range(1, horizon + 1)),
    }
    missing = [name for name in ("ridge", SHUFFLED) if name not in errors]
    if missing:
        report["note"] = f"too few long episodes for {', '.join(missing)}"
    still = errors["persistence"].mean()
    for name in errors:
        report[name] = bootstrap.mean(errors[name]).entries("geodesic")
        report[name] |= bootstrap.total_mean(errors[name]).entries("geodesic_mean")
        report[name] |= bootstrap.root_mean(squares[name]).entries("feature_rmse")
        whole = bootstrap.root_mean(squares[name].mean(-1, keepdims=True))
        report[name] |= whole.scalar().entries("feature_rmse_mean")
        if not name.endswith("persistence"):
            report[name]["skill_mean"] = float(1.0 - errors[name].mean() / still)
    report["differences"] = {
        name: _differences(bootstrap, errors, squares, name) for name in errors if name != MODEL
    }
    return Scored(report, errors, rolled, features)


def _differences(
    bootstrap: Bootstrap, errors: dict[str, Any], squares: dict[str, Any], name: str
) -> dict[str, Any]:
    """The model minus a baseline, paired by window; below zero the model is better."""
    ours, theirs = errors[MODEL], errors[name]
    whole = lambda values: values.mean(-1, keepdims=True)
    root, other = squares[MODEL], squares[name]
    return (
        bootstrap.difference(ours, theirs).entries("geodesic")
        | bootstrap.difference(whole(ours), whole(theirs)).scalar().entries("geodesic_mean")
        | bootstrap.root_difference(root, other).entries("feature_rmse")
        | bootstrap.root_difference(whole(root), whole(other)).scalar().entries("feature_rmse_mean")
    )
