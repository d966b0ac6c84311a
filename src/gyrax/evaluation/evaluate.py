"""How well a trained world model predicts, on episodes that it was not trained on, beside baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.data.frames import Frames
from gyrax.dynamics import kinetic_energy
from gyrax.evaluation.baselines import WindowBatch
from gyrax.evaluation.calibration import calibrated, unexplained
from gyrax.evaluation.forecasters import LEARNED, MODEL, Trainer
from gyrax.evaluation.intervals import Bootstrap
from gyrax.evaluation.latents import Latents, Selection
from gyrax.evaluation.sampling import (
    Sampled,
    check_samples,
    sample_forecasts,
    uncertainty_report,
)
from gyrax.evaluation.scores import decode, score
from gyrax.geometry import safe_norm
from gyrax.model.system import System
from gyrax.model.world_model import Trajectory
from gyrax.training.loop import Resumed

BOUNDARY = 0.95
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
    """Everything measured on one split. `report` is the JSON; the rest is for figures."""

    report: dict[str, Any]
    trajectory: Trajectory
    batch: WindowBatch
    errors: np.ndarray
    latents: Latents
    sampled: Sampled | None = None
    shown: np.ndarray = field(default_factory=lambda: np.zeros(0, int))


def evaluate(
    resumed: Resumed,
    frames: Frames,
    split: str,
    options: Options | None = None,
    *,
    console: Console = QUIET,
) -> Evaluation:
    """Measure a checkpoint on one split of a data set, beside every baseline.

    All forecasts see the same windows: `context` latent points, then the actions. Ridge is fitted on
    the training episodes' latents and chooses its penalties on the validation episodes. Trained
    baselines are kept in the checkpoint's run folder.
    """
    options = options or Options()
    latents = Latents.of(resumed, frames)
    config = latents.config
    if options.samples:
        check_samples(options.samples)
    seeds = [config.seed + i for i in range(options.seeds)]
    modules = _modules(resumed, latents, options, seeds, console)
    console.print("measuring ...")

    chosen = latents.windows(split, config.horizon)
    if chosen is None:
        raise InputError(
            f"{frames.source}: no {split} episode has the {config.wm_context + config.horizon} frames "
            "of a window; use longer episodes."
        )
    scored = score(latents, modules, chosen, split)
    report: dict[str, Any] = {
        "checkpoint": str(resumed.path),
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
        report["long"] = _long_report(latents, modules, split, options.long)
    rows = frames.rows(latents.split(split))
    report |= _encoder_diagnostics(latents.system, latents.x[rows], latents.z[rows])
    report |= _rollout_diagnostics(scored.trajectories, chosen.chart, config.curvature)
    shown = lively_windows(chosen.batch)
    sampled = None
    if options.samples:
        sampled, report["uncertainty"] = _sampled(
            modules[MODEL], seeds, latents, chosen, options.samples, shown
        )
    errors = scored.errors[MODEL].mean(0)
    first = scored.trajectories[0]
    return Evaluation(report, first, chosen.batch, errors, latents, sampled, shown)


def _modules(
    resumed: Resumed, latents: Latents, options: Options, seeds: list[int], console: Console
) -> dict[str, list[Any]]:
    """The model (the checkpoint's own for one seed, else trained anew) and the learned baselines."""
    names = [MODEL] if options.seeds > 1 else []
    names += LEARNED if options.learned else ()
    modules: dict[str, list[Any]] = {MODEL: [latents.system]}
    if names:
        trainer = Trainer(latents, resumed.path.parent, resumed.meta.phase, console)
        modules |= trainer.train(names, seeds)
    return modules


def _temperatures(
    systems: list[System], seeds: list[int], latents: Latents, chosen: Selection, samples: int
) -> list[np.ndarray | None]:
    """For each system the temperature of every window, calibrated on validation episodes, or None where
    it was trained with noise."""
    if systems[0].world_model.is_stochastic:
        return [None] * len(systems)
    validation = latents.windows("val", latents.config.horizon)
    if validation is None:
        raise InputError(
            f"{latents.frames.source}: no validation episode is as long as a window, so the noise of "
            "--samples cannot be calibrated; leave it out, or use longer episodes."
        )
    return [
        calibrated(system, validation, samples, seed=seed) * unexplained(system, chosen)
        for seed, system in zip(seeds, systems, strict=True)
    ]


def _sampled(
    systems: list[System],
    seeds: list[int],
    latents: Latents,
    chosen: Selection,
    samples: int,
    shown: np.ndarray,
) -> tuple[Sampled, dict[str, Any]]:
    """The first system's samples, and the scores of all systems' together."""
    heats = _temperatures(systems, seeds, latents, chosen, samples)
    batch = chosen.batch
    drawn = [
        sample_forecasts(system, batch, samples, seed=seed, shown=shown, temperature=heat)
        for seed, system, heat in zip(seeds, systems, heats, strict=True)
    ]
    typical = [
        float(system.world_model.noise_temperature if heat is None else np.median(heat))
        for system, heat in zip(systems, heats, strict=True)
    ]
    report = uncertainty_report(drawn, Bootstrap(batch.episode), samples, typical)
    return drawn[0], report | {"calibrated": heats[0] is not None}


def _long_report(
    latents: Latents, modules: Mapping[str, list[Any]], split: str, horizon: int
) -> dict[str, Any]:
    """The same scores at a longer horizon, or a note why there are none."""
    chosen = latents.windows(split, horizon)
    if chosen is None:
        needed = latents.config.wm_context + horizon
        return {"horizon": [], "note": f"no {split} episode has the {needed} frames of a window"}
    return score(latents, modules, chosen, split).report


def lively_windows(batch: WindowBatch, count: int = 8) -> np.ndarray:
    """Some windows for figures, at even intervals from the third of them that moves most."""
    moved = np.linalg.norm(batch.target[:, -1] - batch.context[:, -1], axis=-1)
    lively = np.flatnonzero(moved >= np.quantile(moved, 2 / 3))
    return np.unique(lively[np.linspace(0, len(lively) - 1, count).astype(int)])


def _rate_ratio(rates: np.ndarray, chart: np.ndarray) -> dict[str, float]:
    """The mean jump rate where the data's chart changes, over that elsewhere, from the second frame on;
    nothing where charts never, or always, change. Both arguments are of shape `(M, H)`."""
    changed = chart[:, 1:] != chart[:, :-1]
    if changed.all() or not changed.any():
        return {}
    later = rates[:, 1:]
    return {
        "jump_rate_at_chart_changes_ratio": float(later[changed].mean() / later[~changed].mean())
    }


def _rollout_diagnostics(
    trajectories: list[Trajectory], chart: np.ndarray, c: float
) -> dict[str, float]:
    """Scalars about charts, energy and jumps, each a mean over the rollouts of all seeds."""
    found = []
    for trajectory in trajectories:
        positions, momenta = jnp.asarray(trajectory.positions), jnp.asarray(trajectory.momenta)
        energy = np.asarray(trajectory.effective_potential + kinetic_energy(positions, momenta, c))
        rates = np.asarray(trajectory.jump_rates)
        found.append(
            {
                "chart_accuracy": float((trajectory.chart_logits.argmax(-1) == chart).mean()),
                "energy_drift": float(np.abs(energy - energy[:, :1]).max(axis=1).mean()),
                "jump_rate": float(rates.mean()),
                **_rate_ratio(rates, chart),
                "jumps_per_frame": float(np.asarray(trajectory.jump_mask).mean()),
            }
        )
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _encoder_diagnostics(system: System, x: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """Scalars about charts and codes of the encoded frames."""
    c = system.world_model.c
    encoding = eqx.filter_jit(lambda s, x: s.encode(x))(system, jnp.asarray(x))
    used = np.take_along_axis(
        np.asarray(encoding.code), np.asarray(encoding.chart)[:, None], axis=1
    )
    pairs = set(zip(np.asarray(encoding.chart).tolist(), used[:, 0].tolist(), strict=True))
    charts, codes, _ = system.encoder.codebook.code.shape
    radius = c**0.5 * np.asarray(safe_norm(jnp.asarray(z)))
    return {
        "codebook_use": len(pairs) / (charts * codes),
        "charts_used": float(len({chart for chart, _ in pairs})) / charts,
        "near_boundary": float((radius > BOUNDARY).mean()),
        "encoded_feature_rmse": float(np.sqrt(np.mean((decode(system, z) - x) ** 2))),
    }
