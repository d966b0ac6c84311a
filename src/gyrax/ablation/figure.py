"""The results of an ablation as a figure."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from gyrax.ablation.table import divergence
from gyrax.ablation.variants import REFERENCE
from gyrax.runtime.drawing import INK, save_figure, without_frame

FAR = 5.0
"""How many times the least error the largest has to be for the figure to have logarithmic axes."""


def draw_ablation(summary: dict[str, Any], file: Path) -> Path:
    """Error of every variant, its seeds as dots, and its difference to the reference."""
    rows = summary["rows"]
    at = np.arange(len(rows))[::-1]
    height = 1.4 + 0.34 * len(rows)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, height), sharey=True)
    for y, row in zip(at, rows, strict=True):
        if "diverged" in row:
            left.text(0.02, y, divergence(row), transform=left.get_yaxis_transform(), va="center")
            continue
        colour = INK if row["variant"] == REFERENCE else "#2e86ab"
        left.plot([row["error_low"], row["error_high"]], [y, y], color=colour, lw=2)
        left.plot(row["per_seed"], [y] * row["seeds"], "o", color=colour, ms=3, alpha=0.4)
        left.plot(row["error"], y, "o", color=colour, ms=6)
        if "difference" in row:
            low, high = row["difference_low"], row["difference_high"]
            colour = "#5b8c5a" if high < 0 else "#d1495b" if low > 0 else "#8d99ae"
            right.plot([low, high], [y, y], color=colour, lw=2)
            right.plot(row["difference"], y, "o", color=colour, ms=6)
    errors = [row["error"] for row in rows if "error" in row]
    if max(errors) > FAR * min(errors):  # else the others would lie on top of each other
        left.set_xscale("log")
        right.set_xscale("symlog", linthresh=min(errors) / 100)  # a percent is no difference
    right.margins(x=0.08)  # of the scale just set, so that no point lies on the frame
    right.axvline(0, color=INK, lw=0.8)
    left.set_yticks(at, [row["variant"] for row in rows])
    left.set_ylim(-0.6, len(rows) - 0.4)
    left.set_xlabel(f"RMSE of standardised features, steps 1 to {summary['horizon']}")
    right.set_xlabel("minus the reference (green: better)")
    without_frame((left, right))
    for ax in (left, right):
        ax.grid(axis="y", color="#eef0f4", lw=0.8)
        ax.set_axisbelow(True)
    figure.tight_layout()
    return save_figure(figure, file)
