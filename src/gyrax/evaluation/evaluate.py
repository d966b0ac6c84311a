"""How well a trained world model predicts, on episodes that it was not trained on, beside baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.evaluation.cache import Cache
from gyrax.evaluation.calibration import calibrated, unexplained
from gyrax.evaluation.contestants import LEARNED, MODEL, Contest
from gyrax.evaluation.diagnostics import encoder_diagnostics, rollout_diagnostics
from gyrax.evaluation.encoded import Encoded, Selection
from gyrax.evaluation.intervals import Bootstrap
from gyrax.evaluation.sampling import (
    Sampled,
    check_samples,
    sample_forecasts,
    uncertainty_report,
)
from gyrax.evaluation.scores import score
from gyrax.model.system import System
from gyrax.model.trajectory import Trajectory

LONG = 30
QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Options:
    """What to measure, beyond the checkpoint's own forecast and the baselines that need no training.

    **Fields:** `seeds`: with more than one, model and baselines are trained once for each; `samples`
    a window, 0 for none; `long`, the second horizon, 0 for none; `learned`: the trained baselines.
    """

    seeds: int = 1
    samples: int = 0
    long: int = LONG
    learned: bool = True

    def __post_init__(self) -> None:
        """Reject unusable numbers, each with its flag."""
        for flag, value, low in (
            ("--seeds", self.seeds, 1),
            ("--samples", self.samples, 0),
            ("--long", self.long, 0),
        ):
            if value < low:
                raise InputError(f"{flag} is {value}; give {low} or more.")


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

    All forecasts see the same windows: `context` latent points, then the actions. Ridge is fitted on
    the training episodes' latents and chooses its penalties on the validation episodes. Trained
    baselines are kept in the checkpoint's run folder.
    """
    options = options or Options()
    settings, trained, frames = encoded.settings, encoded.trained, encoded.dataset.frames
    if options.samples:
        check_samples(options.samples)
    seeds = [settings.training.run.seed + i for i in range(options.seeds)]
    forecasters = _forecasters(encoded, options, seeds, console)
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
    if options.long:
        report["long"] = _long_report(encoded, forecasters, split, options.long)
    rows = frames.rows(encoded.dataset.split[split])
    report |= encoder_diagnostics(trained.system, encoded.dataset.x[rows], encoded.latents.z[rows])
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


def _forecasters(
    encoded: Encoded, options: Options, seeds: list[int], console: Console
) -> dict[str, list[Any]]:
    """The model (the checkpoint's own for one seed, else trained anew) and the learned baselines."""
    trained = encoded.trained
    names = [MODEL] if options.seeds > 1 else []
    names += LEARNED if options.learned else ()
    forecasters: dict[str, list[Any]] = {MODEL: [trained.system]}
    if names:
        cache = Cache(trained.path.parent, encoded, console)
        forecasters |= Contest(encoded, cache, console).train(names, seeds)
    return forecasters


def _temperatures(
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
    return [
        calibrated(system, validation, samples, seed=seed) * unexplained(system, chosen)
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
    temperatures = _temperatures(systems, seeds, encoded, chosen, samples)
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


def _long_report(
    encoded: Encoded, forecasters: Mapping[str, list[Any]], split: str, horizon: int
) -> dict[str, Any]:
    """The same scores at a longer horizon, or a note why there are none."""
    chosen = encoded.windows(split, horizon)
    if chosen is None:
        needed = encoded.settings.integration.context + horizon
        return {"horizon": [], "note": f"no {split} episode has the {needed} frames of a window"}
    return score(encoded, forecasters, chosen, split).report


def lively_windows(chosen: Selection, count: int = 8) -> np.ndarray:
    """Some windows for figures, at even intervals from the third of them that moves most."""
    window = chosen.window
    moved = np.linalg.norm(window.target[:, -1] - window.context[:, -1], axis=-1)
    lively = np.flatnonzero(moved >= np.quantile(moved, 2 / 3))
    return np.unique(lively[np.linspace(0, len(lively) - 1, count).astype(int)])
