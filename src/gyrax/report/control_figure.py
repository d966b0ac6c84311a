"""The figure of closed loop: how often each row gets there, and how near it is all along."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from gyrax.evaluation.control.compare import Comparison
from gyrax.evaluation.control.contenders import MODEL
from gyrax.report.drawing import COLOURS
from gyrax.runtime.drawing import INK, save_figure, without_frame

ROW_COLOURS = COLOURS | {
    MODEL: COLOURS["model"], "replay": INK, "oracle": "#6b7a99", "cloning": "#1f9e9e",
    "inverse_dynamics": "#7fc8a9", "servo": "#c9a227", "random": "#b5b8c4", "hold": "#d9c2a7",
}  # fmt: skip


def best_first(found: Comparison) -> list[str]:
    """The rows by success, the nearest to the goal first among equals."""
    rows = found.rows()
    return sorted(rows, key=lambda name: (-rows[name]["success"], rows[name]["final_distance"]))


def draw_success(ax: Axes, found: Comparison) -> None:
    """The share of episodes that each row ends at the goal, with its interval."""
    rows, names = found.rows(), best_first(found)
    for place, name in enumerate(names):
        row, colour = rows[name], ROW_COLOURS[name]
        ax.plot([row["low"], row["high"]], [place, place], color=colour, lw=2.5, alpha=0.45)
        ax.plot(row["success"], place, "o", color=colour, ms=9 if name == MODEL else 7)
    counts = {rows[name]["count"] for name in names}
    label = lambda name: (
        name.replace("_", " ") + (f" ({rows[name]['count']})" if len(counts) > 1 else "")
    )
    ax.set_yticks(range(len(names)), [label(name) for name in names])
    ax.get_yticklabels()[names.index(MODEL)].set_fontweight("bold")
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-0.02, 1.02)
    ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.grid(axis="x", color="#e3e6ec", lw=0.8)
    ax.set_axisbelow(True)
    ax.set_title("reached and kept, with 95 % intervals", fontsize=10)


def draw_distance(ax: Axes, found: Comparison, tolerance: float) -> None:
    """The median distance from the goal over the frames, in the colours of the other panel."""
    # Medians as far away as many others lie on each other: the model's is drawn last.
    for name in sorted(best_first(found), key=lambda name: name == MODEL):
        median = np.median(found.outcomes[name].distance, axis=0)
        frames = np.arange(1, len(median) + 1)
        ax.plot(frames, median, color=ROW_COLOURS[name], lw=2.8 if name == MODEL else 1.4)
    ax.set_xlim(0, found.budget)
    ax.set_ylim(bottom=0)
    if tolerance:
        ax.axhline(tolerance, color=INK, lw=1, ls="--", zorder=1)
        ax.annotate("tolerance", (found.budget, tolerance), (-2, 3), textcoords="offset points",
                    ha="right", fontsize=8, color=INK)  # fmt: skip
    ax.set_xlabel("frames")
    ax.set_ylabel("standard deviations")
    ax.set_title("median distance from the goal", fontsize=10)


def control_figure(found: Comparison, tolerance: float, file: Path) -> Path:
    """Draw it into `file`; `tolerance` 0 stands for none that is known."""
    height = 1.8 + 0.3 * max(6, len(found.outcomes))
    figure, axes = plt.subplots(1, 2, figsize=(11, height), width_ratios=(1, 1.2))
    draw_success(axes[0], found)
    draw_distance(axes[1], found, tolerance)
    without_frame(axes)
    figure.tight_layout()
    return save_figure(figure, file)
