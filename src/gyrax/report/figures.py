"""The figures of a report: errors by horizon and over the ball, samples, charts and calibration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from gyrax.evaluation.evaluate import Evaluation
from gyrax.report.drawing import (
    COLOURS,
    draw_feature_horizon,
    draw_horizon,
    draw_losses,
    draw_rollouts,
    plane_of,
)
from gyrax.runtime.drawing import INK, draw_disk, principal_plane, save_figure, without_frame

MOST_FRAMES = 4000


def _frame(ax: Axes, shown: np.ndarray, c: float) -> None:
    """Limits about the shown points, but not beyond the ball."""
    limit = min(1.1 * np.abs(shown).max(), 1.02 * c**-0.5)
    ax.set_xlim(-limit, limit)
    ax.set_ylim(-limit, limit)


def draw_clouds(axes: np.ndarray, evaluation: Evaluation) -> None:
    """Samples of some windows as a cloud, darker with time, and the truth as a line."""
    assert evaluation.sampled is not None
    chosen = evaluation.chosen
    known, target = chosen.window.context, chosen.window.target
    plane = plane_of(target)
    for ax, window, samples in zip(
        axes, evaluation.shown, evaluation.sampled.cloud[: len(axes)], strict=False
    ):
        cloud = samples @ plane
        truth = np.concatenate([known[window, -1:], target[window]]) @ plane
        colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, cloud.shape[1]))
        for h, colour in enumerate(colours):
            ax.plot(*cloud[:, h].T, ".", color=colour, ms=3, alpha=0.6)
        ax.plot(*truth.T, "o-", color=COLOURS["model"], lw=1.5, ms=3)
        ax.plot(*truth[0], "o", color="white", mec=INK, ms=6, zorder=3)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(f"episode {chosen.episode[window]}", fontsize=9)


def draw_charts(ax: Axes, evaluation: Evaluation) -> None:
    """Frames of the split coloured by chart, and how often one chart follows another."""
    dataset, latents = evaluation.encoded.dataset, evaluation.encoded.latents
    space, offsets = evaluation.encoded.settings.encoder, dataset.frames.offsets
    episodes = dataset.split[evaluation.report["split"]]
    rows = dataset.frames.rows(episodes)
    rows = rows[:: max(1, len(rows) // MOST_FRAMES)]
    plane = principal_plane(latents.z[rows])
    shown, chart = latents.z[rows] @ plane, latents.chart[rows]
    draw_disk(ax, space.curvature**-0.5)
    colours = plt.get_cmap("tab20")(np.arange(space.num_charts) % 20)
    ax.scatter(*shown.T, c=colours[chart], s=5, lw=0, alpha=0.7)
    middle = {k: shown[chart == k].mean(0) for k in np.unique(chart)}
    counts = np.zeros((space.num_charts,) * 2, int)
    for e in episodes:
        begin, end = offsets[e : e + 2]
        np.add.at(counts, (latents.chart[begin : end - 1], latents.chart[begin + 1 : end]), 1)
    np.fill_diagonal(counts, 0)
    for i, j in np.argwhere(counts > 0):
        if i in middle and j in middle:
            style = dict(arrowstyle="-|>", connectionstyle="arc3,rad=0.15", color=INK)
            width = 0.4 + 2.5 * counts[i, j] / counts.max()
            ax.annotate("", middle[j], middle[i], arrowprops=style | dict(lw=width, alpha=0.6))
    for k, at in middle.items():
        ax.text(at[0], at[1], str(k), ha="center", va="center", fontsize=9, weight="bold",
                bbox=dict(boxstyle="circle,pad=0.25", fc="white", ec=colours[k], lw=1.5))  # fmt: skip
    _frame(ax, shown, space.curvature)
    ax.set_title(f"charts and their {counts.sum()} transitions", fontsize=10)


def draw_error_map(ax: Axes, evaluation: Evaluation) -> None:
    """Mean error at the last step over where the window starts."""
    chosen = evaluation.chosen
    start, radius = chosen.window.context[:, -1], chosen.c**-0.5
    shown = start @ principal_plane(start)
    draw_disk(ax, radius)
    drawn = ax.hexbin(
        *shown.T, C=evaluation.errors[:, -1], gridsize=28, cmap="magma_r", mincnt=1, zorder=2
    )
    _frame(ax, shown, chosen.c)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.75)
    bar.set_label(f"mean geodesic error at step {chosen.window.horizon}")
    ax.set_title("where the model is wrong", fontsize=10)


def draw_calibration(ax: Axes, report: dict[str, Any]) -> None:
    """Share of truths inside balls of nominal mass, by horizon step."""
    found = report["uncertainty"]["calibration"]
    coverage = np.asarray(found["coverage"])
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, coverage.shape[1]))
    ax.plot([0, 1], [0, 1], "--", color="#8d99ae", lw=1)
    for h, colour in enumerate(colours):
        label = f"step {report['horizon'][h]}" if h in (0, len(colours) - 1) else None
        ax.plot(found["levels"], coverage[:, h], "o-", color=colour, ms=3, lw=1.2, label=label)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    ax.set_xlabel("nominal mass of the ball")
    ax.set_ylabel("share of truths inside")
    ax.legend(frameon=False)
    ax.set_title("calibration", fontsize=10)


def _save(draw: Callable[[Any], None], file: Path, columns: int = 1, width: float = 6.5) -> Path:
    figure, axes = plt.subplots(1, columns, figsize=(width, 5 if columns < 4 else 3.2))
    draw(axes)
    without_frame(np.atleast_1d(axes))
    figure.tight_layout()
    return save_figure(figure, file, dpi=120)


def report_figures(evaluation: Evaluation, log: Path, folder: Path) -> dict[str, tuple[str, Path]]:
    """Draw every figure into `folder`; captions and files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    report = evaluation.report
    blocks = [report] + ([report["long"]] if report.get("long", {}).get("horizon") else [])

    def horizons(axes: Any, draw: Callable[[Axes, dict[str, Any]], None]) -> None:
        for ax, block in zip(np.atleast_1d(axes), blocks, strict=True):
            draw(ax, block | {"split": report["split"]})

    drawn: dict[str, tuple[str, Path]] = {}

    def add(name: str, caption: str, draw: Callable[[Any], None], **size: Any) -> None:
        drawn[name] = (caption, _save(draw, folder / f"{name}.png", **size))

    wide: dict[str, Any] = dict(columns=len(blocks), width=6.5 * len(blocks))
    add("features", "RMSE of standardised features by frames ahead; bands are 95 % intervals over episodes.",
        lambda axes: horizons(axes, draw_feature_horizon), **wide)  # fmt: skip
    add("horizon", "Geodesic error by frames ahead; bands are 95 % intervals over episodes.",
        lambda axes: horizons(axes, draw_horizon), **wide)  # fmt: skip
    add("rollouts", "Rollouts in the ball against the truth.",
        lambda ax: draw_rollouts(ax, evaluation))  # fmt: skip
    if evaluation.sampled is not None:
        add("clouds", "Sampled rollouts (darker is earlier) and the truth (red), from the white dot.",
            lambda axes: draw_clouds(axes, evaluation), columns=4, width=13.0)  # fmt: skip
        add("calibration", "Coverage against nominal mass; on the dashed line is calibrated.",
            lambda ax: draw_calibration(ax, report))  # fmt: skip
    add("charts", "Charts of the latent space; an arrow's width is how often it is taken.",
        lambda ax: draw_charts(ax, evaluation))  # fmt: skip
    add("errors", "Error over the ball, in the first two principal directions.",
        lambda ax: draw_error_map(ax, evaluation))  # fmt: skip
    if log.is_file():
        add("training", "Training and held-out losses.", lambda ax: draw_losses(ax, log))
    return drawn
