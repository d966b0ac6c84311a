"""What the examples share: the Poincaré disk, drawn with a grid of geodesics."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

from gyrax import geometry

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def draw_disk(ax, spacing=0.8, count=4):
    """The unit circle, and the geodesics at right angles to either axis every `spacing` of distance."""
    ax.add_patch(plt.Circle((0, 0), 1, facecolor="#fbfbf8", edgecolor="#444444", lw=1.2, zorder=0))
    times = jnp.linspace(-12.0, 12.0, 241)
    flow = jax.jit(jax.vmap(lambda z, v, t: geometry.exp_map(z, t * v), (None, None, 0)))
    for axis in range(2):
        along, across = np.eye(2)[axis], np.eye(2)[1 - axis]
        for k in range(-count, count + 1):
            z = np.tanh(0.5 * spacing * k) * along
            v = 0.5 * (1.0 - z @ z) * across  # unit speed
            line = np.asarray(flow(jnp.asarray(z), jnp.asarray(v), times))
            ax.plot(*line.T, color="#d0d0c8", lw=0.6, zorder=1)
    ax.set(xlim=(-1.04, 1.04), ylim=(-1.04, 1.04), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([-1, 0, 1])


def legend_below(ax, columns=2):
    """A legend under the axis label, where it hides nothing."""
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=columns, fontsize=9, frameon=False
    )


def save(figure, name):
    """Save to the path given on the command line, else under `name` in the current directory."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else name)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    print(f"saved {path}")
