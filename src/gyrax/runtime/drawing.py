"""What every figure of the project shares: the back end, the ink, the disk, and how a file is written."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")  # files only: no figure needs a display

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gyrax.runtime.files import written_whole

INK = "#22223b"


def principal_plane(points: np.ndarray, count: int = 2) -> np.ndarray:
    """The directions, (D, count), of largest variance of points about their mean."""
    centred = points - points.mean(0)
    return np.linalg.svd(centred, full_matrices=False)[2][:count].T


def draw_disk(ax: Axes, radius: float) -> None:
    """The boundary of the ball of that radius, and circles of constant distance from the origin."""
    angle = np.linspace(0, 2 * np.pi, 400)
    for step in range(1, 6):
        r = radius * np.tanh(step / 2)
        ax.plot(r * np.cos(angle), r * np.sin(angle), color="#dfe3ea", lw=0.6, zorder=0)
    ax.plot(radius * np.cos(angle), radius * np.sin(angle), color=INK, lw=1.2)
    ax.set_aspect("equal")
    ax.axis("off")


def without_frame(axes: Iterable[Axes]) -> None:
    """Leave out the upper and right sides of each frame."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, file: Path, *, dpi: int = 130) -> Path:
    """Write a figure, whole or not at all, and close it."""
    with written_whole(file) as partial:
        figure.savefig(partial, dpi=dpi, format=file.suffix[1:])
    plt.close(figure)
    return file
