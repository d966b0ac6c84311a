"""How well a trained world model predicts, on episodes that it was not trained on, beside baselines."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.evaluation.baselines.autoencoder import Autoencoder
from gyrax.evaluation.cache import Cache
from gyrax.evaluation.calibration import beyond_linear, calibrated, regression_of
from gyrax.evaluation.contestants import LEARNED, MODEL, ON_FEATURES, Contest
from gyrax.evaluation.diagnostics import encoder_diagnostics, rollout_diagnostics
from gyrax.evaluation.distances import distance_report
from gyrax.evaluation.encoded import Encoded, Selection
from gyrax.evaluation.feature_space import features_as_latents
from gyrax.evaluation.forecasts import decode
from gyrax.evaluation.intervals import Bootstrap
from gyrax.evaluation.positions import position_report
from gyrax.evaluation.reconstruction import reconstruction_report, trained_autoencoder
from gyrax.evaluation.sampling import (
    Sampled,
    check_samples,
    sample_forecasts,
    uncertainty_report,
)
from gyrax.evaluation.scores import Scored, score
from gyrax.model.system import System
from gyrax.model.trajectory import Trajectory
from gyrax.runtime.options import check_number

LONG = 30
QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Options:
    """What to measure, beyond the checkpoint's own forecast and the baselines that need no training.

    **Fields:** `seeds`: with more than one, model and baselines are trained once for each; `samples`
    a window, 0 for none; `long`, the second horizon, 0 for none; `learned`: the trained baselines;
    `distances`: how distance ranks with time.
    """

    seeds: int = 1
    samples: int = 0
    long: int = LONG
    learned: bool = True
    distances: bool = False

    def __post_init__(self) -> None:
        """Reject unusable numbers, each with its flag."""
        for flag, value, low in (
            ("--seeds", self.seeds, 1),
            ("--samples", self.samples, 0),
            ("--long", self.long, 0),
        ):
            check_number(flag, value, least=low)


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one split.

    **Fields:** `report`, the JSON; for figures, the `chosen` windows, the first model's `trajectory` on
    them, its `errors` (M, H), what was `sampled`, and which windows are `shown`.
    """

    report: dict[str, Any]
    trajectory: Trajectory
    chosen: Selection
    errors: np.ndarray
    encoded: Encoded
    shown: np.ndarray
    sampled: Sampled | None = None


def evaluate(
    encoded: Encoded, split: str, options: Options | None = None, *, console: Console = QUIET
) -> Evaluation:
    """Measure a trained system on one split of a data set, beside every baseline.

    All forecasts see the same windows: `context` frames, as latent points or as features, then the
    actions. Ridge is fitted on the training episodes and chooses its penalties on the validation
    episodes. Trained baselines are kept in the checkpoint's run folder.
    """
    options = options or Options()
    settings, trained, frames = encoded.settings, encoded.trained, encoded.dataset.frames
    if options.samples:
        check_samples(options.samples)
    seeds = [settings.training.run.seed + i for i in range(options.seeds)]
    cache = Cache(trained.path.parent, encoded, console)
    forecasters = _forecasters(cache, options, seeds)
    autoencoder = trained_autoencoder(cache) if options.learned else None
    console.print("measuring ...")
    context, horizon = settings.integration.context, settings.training.horizon
    chosen = encoded.windows(split, horizon)
    if chosen is None:
        raise InputError(
            f"{frames.source}: no {split} episode has the {context + horizon} frames of a window; use "
            "longer episodes."
        )
    scored = score(encoded, forecasters, chosen, split)
    report: dict[str, Any] = {
        "checkpoint": str(trained.path),
        "data": frames.source,
        "split": split,
        "seeds": seeds,
        "retrained": options.seeds > 1,
        **scored.report,
    }
    report["skill"] = list(
        1.0 - np.asarray(report[MODEL]["geodesic"]) / np.asarray(report["persistence"]["geodesic"])
    )
    report["skill_mean"] = report[MODEL]["skill_mean"]
    blocks = [(chosen, scored)]
    if options.long:
        blocks += _longer(encoded, forecasters, split, options.long)
        needed = context + options.long
        note = f"no {split} episode has the {needed} frames of a window"
        report["long"] = blocks[1][1].report if blocks[1:] else {"horizon": [], "note": note}
    report |= _encoding_report(encoded, split, autoencoder, blocks)
    if options.distances:
        twin = options.learned
        report["distances"] = distance_report(cache, split, twin=twin, console=console)
    trajectories = [each.trajectory for each in scored.rollouts if each.trajectory is not None]
    report |= rollout_diagnostics(trajectories, np.asarray(chosen.window.chart)[:, 1:])
    shown = lively_windows(chosen)
    sampled = None
    if options.samples:
        sampled, report["uncertainty"] = _sampled(
            forecasters[MODEL], seeds, encoded, chosen, options.samples, shown
        )
    errors = scored.errors[MODEL].mean(0)
    return Evaluation(report, trajectories[0], chosen, errors, encoded, shown, sampled)


def _forecasters(cache: Cache, options: Options, seeds: list[int]) -> dict[str, list[Any]]:
    """The model (the checkpoint's own for one seed, else trained anew) and the learned baselines, first
    those in our latent and then those on the features."""
    encoded = cache.encoded
    forecasters: dict[str, list[Any]] = {MODEL: [encoded.trained.system]}
    names = [MODEL] if options.seeds > 1 else []
    names += LEARNED if options.learned else ()
    if not names:
        return forecasters
    forecasters |= Contest(cache).train(names, seeds)
    if options.learned:
        view = replace(cache, encoded=features_as_latents(encoded))
        forecasters |= Contest(view).train(ON_FEATURES, seeds)
    return forecasters


def _longer(
    encoded: Encoded, forecasters: dict[str, list[Any]], split: str, horizon: int
) -> list[tuple[Selection, Scored]]:
    """The scores of windows of another horizon; none where no episode is that long."""
    chosen = encoded.windows(split, horizon)
    return [] if chosen is None else [(chosen, score(encoded, forecasters, chosen, split))]


def _encoding_report(
    encoded: Encoded,
    split: str,
    autoencoder: Autoencoder | None,
    blocks: list[tuple[Selection, Scored]],
) -> dict[str, Any]:
    """How charts and codes are used, what encoding loses, and errors of positions, where there are any:
    encoded and decoded, and of the model's forecasts."""
    dataset, system = encoded.dataset, encoded.trained.system
    rows = dataset.frames.rows(dataset.split[split])
    x, z = dataset.x[rows], encoded.latents.z[rows]
    report: dict[str, Any] = dict(encoder_diagnostics(system, x, z))
    report |= reconstruction_report(encoded, split, autoencoder)
    off = [np.stack(scored.features) - chosen.truth for chosen, scored in blocks]
    std = dataset.normaliser.feature_std[dataset.normaliser.kept]
    if located := position_report(dataset.columns, std, decode(system, z) - x, off):
        report["position_error_cm"] = located
    return report


def window_temperatures(
    systems: list[System], seeds: list[int], encoded: Encoded, chosen: Selection, samples: int
) -> list[np.ndarray | None]:
    """For each system the temperature of every window, calibrated on validation episodes, or None where
    it was trained with noise."""
    if systems[0].world_model.is_stochastic:
        return [None] * len(systems)
    validation = encoded.windows("val", chosen.window.horizon)
    if validation is None:
        raise InputError(
            f"{encoded.dataset.frames.source}: no validation episode is as long as a window, so the noise of "
            "--samples cannot be calibrated; leave it out, or use longer episodes."
        )
    linear = regression_of(encoded)
    return [
        calibrated(system, linear, validation, samples, seed=seed)
        * beyond_linear(system, linear, chosen)
        for seed, system in zip(seeds, systems, strict=True)
    ]


def _sampled(
    systems: list[System],
    seeds: list[int],
    encoded: Encoded,
    chosen: Selection,
    samples: int,
    shown: np.ndarray,
) -> tuple[Sampled, dict[str, Any]]:
    """The first system's samples, and the scores of all systems' together."""
    temperatures = window_temperatures(systems, seeds, encoded, chosen, samples)
    drawn = [
        sample_forecasts(system, chosen, samples, seed=seed, shown=shown, temperature=T)
        for seed, system, T in zip(seeds, systems, temperatures, strict=True)
    ]
    typical = [
        float(system.world_model.temperature.value if T is None else np.median(T))
        for system, T in zip(systems, temperatures, strict=True)
    ]
    report = uncertainty_report(drawn, Bootstrap(chosen.episode), samples, typical)
    return drawn[0], report | {"calibrated": temperatures[0] is not None}


def lively_windows(chosen: Selection, count: int = 8) -> np.ndarray:
    """Some windows for figures, at even intervals from the third of them that moves most."""
    window = chosen.window
    moved = np.linalg.norm(window.target[:, -1] - window.context[:, -1], axis=-1)
    lively = np.flatnonzero(moved >= np.quantile(moved, 2 / 3))
    return np.unique(lively[np.linspace(0, len(lively) - 1, count).astype(int)])
