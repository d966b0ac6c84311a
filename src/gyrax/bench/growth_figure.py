"""The figure of how the cost of a rollout grows with its sizes."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from gyrax.runtime.drawing import save_figure


def draw_growth(axes: dict[str, Any], file: Path) -> Path:
    """Time along every axis, and the predicted operations at the speed of the last point."""
    figure, grid = plt.subplots(2, 3, figsize=(11, 6.2), layout="constrained")
    for ax, (axis, growth) in zip(grid.flat, axes.items(), strict=True):
        rows = growth["rows"]
        values, ms = [r["value"] for r in rows], np.array([r["ms"] for r in rows])
        total = np.array([sum(r["terms"].values()) for r in rows])
        ax.loglog(values, ms, "o-", color="#d1495b", label="measured")
        ax.loglog(
            values, total * ms[-1] / total[-1], "--", color="#8d99ae", label="operations, by count"
        )
        ax.set_xticks(values, [str(v) for v in values], minor=False)
        ax.minorticks_off()
        # A power of ten alone is no scale.
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xlabel(axis)
        ax.set_title(growth["term"], fontsize=9)
        ax.grid(alpha=0.2)
    for ax in grid[:, 0]:
        ax.set_ylabel("ms a rollout")
    grid[0, 0].legend(frameon=False, fontsize=8)
    return save_figure(figure, file)
