"""The figure of a simulation: trajectories in the ball, the law of the distance, the energy over time."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from gyrax.runtime.drawing import INK, principal_plane, save_figure, without_frame
from gyrax.simulation.ensemble import Ensemble
from gyrax.simulation.law import Law
from gyrax.simulation.observables import at_the_edge, measure, radii
from gyrax.simulation.setup import describe

CHAINS = ("#d1495b", "#2e86ab", "#edae49", "#66a182")
SHOWN_TIME = 12.0
EXACT = "#7b2cbf"
GRID = "#d5d9e0"


def draw_geodesics(ax: Axes, radius: float, spacing: float = 0.8, count: int = 4) -> None:
    """The disk of that radius, with the geodesics at right angles to either axis every `spacing` of
    distance (in units of the radius of curvature): arcs of circles at right angles to the boundary."""
    disk = plt.Circle((0, 0), radius, facecolor="#fbfbf8", edgecolor=INK, lw=1.2, zorder=0)
    ax.add_patch(disk)
    for k in range(-count, count + 1):
        foot = np.tanh(0.5 * spacing * k)
        if k == 0:
            along, across = np.zeros(2), np.array([-1.0, 1.0])
        else:
            centre = 0.5 * (1.0 / foot + foot)
            half = np.arctan(1.0 / np.sqrt(centre**2 - 1.0))
            angle = np.linspace(-half, half, 200)
            size = np.sqrt(centre**2 - 1.0)
            along = centre - np.sign(k) * size * np.cos(angle)
            across = size * np.sin(angle)
        for x, y in ((along, across), (across, along)):
            ax.plot(radius * x, radius * y, color=GRID, lw=0.6, zorder=1)
    ax.set(xlim=(-1.03 * radius, 1.03 * radius), ylim=(-1.03 * radius, 1.03 * radius))
    ax.set_aspect("equal")
    ax.axis("off")


def draw_trajectories(ax: Axes, ensemble: Ensemble) -> None:
    """The first chains from the start, on the disk, over the last states of all chains.

    A jump is a dotted chord. In more than two dimensions: the two directions of largest variance.
    """
    config, z = ensemble.config, ensemble.positions
    plane = np.eye(2)
    if config.dim > 2:
        plane = principal_plane(z[:, z.shape[1] // 2 :].reshape(-1, config.dim))
    draw_geodesics(ax, config.curvature**-0.5)
    shown = int(np.searchsorted(ensemble.times, SHOWN_TIME, side="right"))
    near = ensemble.times[1] - ensemble.times[0] <= 0.5 if len(ensemble.times) > 1 else True
    shown = shown if near else len(ensemble.times)
    cloud = z[:2000, -1] @ plane
    ax.plot(*cloud.T, ".", ms=3, color=INK, alpha=0.35, zorder=2,
            label=f"all chains at t = {ensemble.times[-1]:g}")  # fmt: skip
    for i, colour in zip(range(config.chains), CHAINS, strict=False):
        path, counts = z[i, :shown] @ plane, ensemble.jump_counts[i, :shown]
        label = f"{min(len(CHAINS), config.chains)} chains to t = {ensemble.times[shown - 1]:g}"
        for piece in np.split(path, np.flatnonzero(np.diff(counts)) + 1):
            ax.plot(*piece.T, "-" if near else ".", color=colour, lw=1.0, ms=2, zorder=3,
                    label=label if i == 0 else None)  # fmt: skip
            label = None
        for j in np.flatnonzero(np.diff(counts)):
            ax.plot(*path[j : j + 2].T, ":", color=colour, lw=0.8, zorder=2)
        ax.plot(*path[0], "o", color="white", mec=colour, ms=5, zorder=4,
                label="their starts" if i == 0 else None)  # fmt: skip
    if config.jumps:
        ax.plot([], [], ":", color=CHAINS[0], label="jumps z → -z")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=2, fontsize=8, frameon=False)
    where = "" if config.dim == 2 else ", first two principal directions"
    ax.set_title(f"trajectories{where}", fontsize=10)


def draw_distances(ax: Axes, ensemble: Ensemble, law: Law | str) -> None:
    """The histogram of d(0, z) over the second half of all chains, against the exact law."""
    r = radii(ensemble)
    found = measure(r**2)
    settled = r[:, r.shape[1] // 2 :].ravel()
    label = f"simulated, t ≥ {ensemble.times[r.shape[1] // 2]:g}"
    ax.hist(settled, bins=60, density=True, color=CHAINS[1], alpha=0.45, label=label)
    error = "" if np.isnan(found.error) else f" ± {found.error:.2g}"
    title = f"E[d²] = {found.mean:.4f}{error}"
    if isinstance(law, str):
        ax.text(0.5, 1.0, law, transform=ax.transAxes, ha="center", va="top", fontsize=8)
        ax.margins(y=0.2)
        ax.legend(loc="upper right", bbox_to_anchor=(1.0, 0.91), frameon=False, fontsize=8)
    else:
        high = max(settled.max(), law.r[law.density > 1e-4 * law.density.max()][-1])
        seen = law.r <= high
        ax.plot(law.r[seen], law.density[seen], color=EXACT, lw=1.6,
                label="exact law, by quadrature")  # fmt: skip
        ax.legend(frameon=False, fontsize=8)
        title += f", exactly {law.second_moment:.4f}"
    edge = at_the_edge(ensemble)
    end = f"\n{edge} of {len(r)} chains ended at the edge of {r.dtype}" if edge else ""
    ax.set(xlabel=f"distance from the origin d(0, z){end}", ylabel="density")
    ax.set_title(title, fontsize=10)


def draw_energies(ax: Axes, ensemble: Ensemble, law: Law | str) -> None:
    """H over time of the first chains, the mean of all, and E[H] by equipartition."""
    times, energies = ensemble.times, ensemble.energies
    for i, colour in zip(range(len(energies)), CHAINS, strict=False):
        ax.plot(times, energies[i], color=colour, lw=0.6, alpha=0.7,
                label="the chains on the left" if i == 0 else None)  # fmt: skip
    ax.plot(times, energies.mean(0), color=INK, lw=1.4, label=f"mean of {len(energies)} chains")
    if not isinstance(law, str):
        ax.axhline(law.energy, color=EXACT, ls="--", lw=1.4, zorder=4,
                   label=f"E[Φ] + DT/2 = {law.energy:.4f}, exact")  # fmt: skip
    ax.set(xlabel="time t", ylabel="energy H", xlim=(times[0], max(times[-1], 1e-12)))
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
    ax.legend(loc="upper right", frameon=False, fontsize=8)
    ax.set_title("energy", fontsize=10)


def simulation_figure(ensemble: Ensemble, law: Law | str, file: Path) -> Path:
    """Draw the three panels into `file`."""
    figure, axes = plt.subplots(
        1, 3, figsize=(15, 5.2), width_ratios=(1, 1.05, 1.05), layout="constrained"
    )
    draw_trajectories(axes[0], ensemble)
    draw_distances(axes[1], ensemble, law)
    draw_energies(axes[2], ensemble, law)
    without_frame(axes[1:])
    figure.suptitle(describe(ensemble.config), fontsize=11)
    return save_figure(figure, file)
