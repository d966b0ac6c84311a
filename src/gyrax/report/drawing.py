"""The figure of a run: rollouts in the ball, error by horizon, loss curves."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from gyrax.evaluation.contestants import MODEL
from gyrax.evaluation.evaluate import Evaluation, lively_windows
from gyrax.evaluation.feature_space import FEATURE
from gyrax.runtime.drawing import INK, draw_disk, principal_plane, save_figure, without_frame
from gyrax.training.log import read_log

COLOURS = {
    "model": "#d1495b", "flat_twin": "#e08e45", "gru": "#5b8c5a", "mlp": "#7d5ba6",
    "ridge": "#2e86ab", "constant_velocity": "#b08968", "persistence": "#8d99ae",
    "shuffled_actions": "#f2b5bd",
}  # fmt: skip
BY_FEATURES = {
    MODEL: "model", FEATURE + "gru": "gru", FEATURE + "mlp": "mlp", FEATURE + "ridge": "ridge",
    FEATURE + "persistence": "persistence",
}  # fmt: skip
"""What is compared in features, and whose colour each has: forecasts that do not see our latent."""


def plane_of(target: np.ndarray) -> np.ndarray:
    """The two principal directions, (D, 2), of the true points of some windows, (windows, H, D)."""
    return principal_plane(target.reshape(-1, target.shape[-1]))


def draw_rollouts(ax: Axes, evaluation: Evaluation, count: int = 8) -> None:
    """Some predicted windows of one split against the truth, in its two principal directions.

    Windows are taken at even intervals from the third of them that moves most.
    """
    window, radius = evaluation.chosen.window, evaluation.chosen.c**-0.5
    target = window.target
    chosen = lively_windows(evaluation.chosen, count)
    plane = plane_of(target)
    predicted = np.asarray(evaluation.trajectory.positions)
    shown = target[chosen] @ plane
    reach = np.abs(np.concatenate([shown, predicted[chosen] @ plane])).max() * 1.15
    draw_disk(ax, radius)
    for i in chosen:
        for path, colour, label in (
            (target[i], INK, "truth"),
            (predicted[i], COLOURS["model"], "model"),
        ):
            line = np.concatenate([window.context[i, -1:], path]) @ plane
            ax.plot(*line.T, color=colour, lw=1.6, label=label if i == chosen[0] else None)
            ax.plot(*line[-1], "o", color=colour, ms=3)
        ax.plot(*(window.context[i, -1] @ plane), "o", color="white", mec=INK, ms=5, zorder=3)
    limit = min(reach, radius * 1.02)
    ax.set_xlim(-limit, limit)
    ax.set_ylim(-limit, limit)
    ax.legend(loc="lower left", frameon=False)
    plane_text = "" if target.shape[-1] == 2 else ", first two principal directions"
    ax.set_title(f"{evaluation.report['split']} rollouts in the ball{plane_text}", fontsize=10)


def draw_feature_horizon(ax: Axes, report: dict[str, Any]) -> None:
    """RMSE of standardised features, of the model and of what forecasts the features themselves, at every
    horizon step, with 95 % intervals; on a logarithmic axis, for persistence errs ten times as much."""
    steps = report["horizon"]
    for name in (n for n in BY_FEATURES if n in report):
        found, colour = report[name], COLOURS[BY_FEATURES[name]]
        label = f"{name.replace('_', ' ')} ({found['feature_rmse_mean']:.3f} over all)"
        front = 3 if name == MODEL else 2
        ax.plot(
            steps,
            found["feature_rmse"],
            _marker(steps),
            color=colour,
            label=label,
            ms=4,
            zorder=front,
        )
        ends = (found[f"feature_rmse_{end}"] for end in ("low", "high"))
        ax.fill_between(steps, *ends, color=colour, alpha=0.1, lw=0)
    ax.set_yscale("log")
    ax.set_ylim(top=3.0 * ax.get_ylim()[1])  # room for the legend
    ax.set_xlabel("frames ahead")
    ax.set_ylabel("RMSE of standardised features")
    ax.legend(framealpha=0.9, edgecolor="none", fontsize=8, ncols=2, loc="upper left")
    ax.set_title(f"error by horizon, {report['windows']} {report['split']} windows", fontsize=10)


def _marker(steps: list[int]) -> str:
    return "o-" if len(steps) <= 12 else "-"


def draw_horizon(ax: Axes, report: dict[str, Any]) -> None:
    """Mean geodesic error of every forecast at every horizon step, with 95 % intervals.

    The axis ends at the worst of what forecasts at all: going straight on may leave the picture.
    """
    steps = report["horizon"]
    for name, colour in COLOURS.items():
        if name not in report:
            continue
        found = report[name]
        skill = found.get("skill_mean")
        title = name.replace("_", " ")
        label = title if skill is None else f"{title} (skill {skill:.2f})"
        front = 3 if name == "model" else 2
        ax.plot(
            steps, found["geodesic"], _marker(steps), color=colour, label=label, ms=4, zorder=front
        )
        ax.fill_between(
            steps, found["geodesic_low"], found["geodesic_high"], color=colour, alpha=0.1, lw=0
        )
    others = [
        report[n]["geodesic_high"] for n in COLOURS if n in report and n != "constant_velocity"
    ]
    ax.set_xlabel("frames ahead")
    ax.set_ylabel("geodesic error")
    ax.set_ylim(0, 1.35 * np.max(others))
    ax.legend(framealpha=0.9, edgecolor="none", fontsize=8, ncols=2, loc="upper left")
    ax.set_title(f"error by horizon, {report['windows']} {report['split']} windows", fontsize=10)


def draw_losses(ax: Axes, log: Path) -> None:
    """Training loss over all epochs of the run, and held-out values where they were measured."""
    records, damaged = read_log(log)
    for phase in sorted({r["phase"] for r in records}):
        rows = [(i, r) for i, r in enumerate(records) if r["phase"] == phase]
        ax.axvline(rows[0][0], color="#c9cdd6", lw=0.8)
        name = "geodesic" if any("geodesic" in r for _, r in rows) else "recon"
        colour = None
        for key, style, held_out in ((name, "-", ""), (f"val_{name}", "--o", ", held out")):
            points = [(i, r[key]) for i, r in rows if key in r]
            label = f"phase {phase} {name}{held_out}"
            at, values = [i for i, _ in points], [value for _, value in points]
            line = ax.plot(at, values, style, color=colour, ms=3, label=label)[0]
            colour = line.get_color()
    ax.set_yscale("log")
    ax.set_xlabel("epoch")
    if records:
        ax.legend(frameon=False, fontsize=8)
    lost = f" ({damaged} lines of the log cannot be read)" if damaged else ""
    ax.set_title(f"loss curves{lost}", fontsize=10)


def run_figure(evaluation: Evaluation, log: Path, file: Path) -> Path:
    """Draw the run's figure into `file`."""
    figure, axes = plt.subplots(1, 3, figsize=(15, 5), width_ratios=(1.1, 1, 1))
    draw_rollouts(axes[0], evaluation)
    draw_horizon(axes[1], evaluation.report)
    draw_losses(axes[2], log)
    without_frame(axes[1:])
    figure.tight_layout()
    return save_figure(figure, file)
