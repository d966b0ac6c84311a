"""What a simulation is held against and shown by: the exact law of d(0, z), a table, the figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Float
from rich import box
from rich.table import Table

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from gyrax.geometry import conformal_factor, distance, project
from gyrax.runtime.drawing import INK, principal_plane
from gyrax.simulation.chains import Ensemble
from gyrax.simulation.setup import POTENTIALS, Potential, SimulationConfig, describe

CHAINS = ("#d1495b", "#2e86ab", "#edae49", "#66a182")
SHOWN_TIME = 12.0
EXACT = "#7b2cbf"
GRID = "#d5d9e0"


@dataclass(frozen=True)
class Law:
    """The exact law of r = d(0, z) on a grid, with E[r²] and E[H]."""

    r: Float[np.ndarray, " points"]
    density: Float[np.ndarray, " points"]
    second_moment: float
    energy: float


def exact_law(config: SimulationConfig) -> Law | str:
    """p(r) ∝ sinh(√c r)^{D−1} ∫ exp(−Φ(r, θ)/T) sin(θ)^{D−2} dθ by quadrature, or why there is none.

    θ is the angle from the first axis, about which the named potentials are symmetric.
    """
    named = POTENTIALS.get(config.potential)
    if named is None:
        return "a trained potential: no exact law is known"
    if not config.thermostat:
        return "no thermostat (γT = 0): no law to compare with"
    if not named.confining:
        return "exp(-Φ/T) has no finite integral:\nchains run outward, and there is no exact law"
    edge = float(distance(jnp.zeros(2), project(jnp.ones(2), config.curvature), config.curvature))
    low, high = 0.0, edge
    for _ in range(5):  # Each time closer about where the density is.
        r = np.linspace(low, high, 2001)[1:]
        log_density, mean_potential = _log_density(config, named, r)
        near = np.flatnonzero(log_density > log_density.max() - 45)
        low, high = r[max(near[0] - 1, 0)], r[min(near[-1] + 1, len(r) - 1)]
        low = 0.0 if near[0] == 0 else low
    if r[-1] == edge and log_density[-1] > log_density.max() - 15:
        kind = jnp.zeros(()).dtype
        return f"the exact law reaches past d = {edge:.1f},\nthe largest distance in {kind}"
    density = np.exp(log_density - log_density.max())
    if low == 0.0:  # where sinh and so the density vanish
        r, density, mean_potential = (np.append(0.0, x) for x in (r, density, mean_potential))
    density /= np.trapezoid(density, r)
    mean = lambda values: float(np.trapezoid(values * density, r))
    energy = mean(mean_potential) + 0.5 * config.dim * config.temperature
    return Law(r, density, mean(r**2), energy)


def _log_density(config: SimulationConfig, named: Potential, r: np.ndarray) -> tuple:
    """log p(r) up to a constant, and E[Φ | r]."""
    root, temperature = config.curvature**0.5, config.temperature
    nodes, weights = np.polynomial.legendre.leggauss(128)
    angle = 0.5 * np.pi * (nodes + 1.0)
    with jax.enable_x64(True):
        radius = np.tanh(0.5 * root * r) / root
        z = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        phi = np.asarray(
            jax.jit(jax.vmap(jax.vmap(lambda z: named.phi(z, config.curvature))))(jnp.asarray(z))
        )
    exponent = -phi / temperature + np.log(weights) + (config.dim - 2) * np.log(np.sin(angle))
    top = exponent.max(1, keepdims=True)
    share = np.exp(exponent - top)
    log_sinh = root * r + np.log1p(-np.exp(-2.0 * root * r))
    log_density = top[:, 0] + np.log(share.sum(1)) + (config.dim - 1) * log_sinh
    return log_density, (share * phi).sum(1) / share.sum(1)


class Measured(NamedTuple):
    """A mean over the second half of all chains, and its standard error (NaN for a single chain)."""

    mean: float
    error: float


def measure(values: Float[np.ndarray, "chains saves"]) -> Measured:
    """The mean over the second half; its error from the chains' own means, which are independent."""
    means = values[:, values.shape[1] // 2 :].astype(float).mean(1)
    error = means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else np.nan
    return Measured(float(means.mean()), float(error))


def radii(ensemble: Ensemble) -> Float[np.ndarray, "chains saves"]:
    """d(0, z) of every saved state."""
    z = jnp.asarray(ensemble.positions)
    return np.asarray(distance(jnp.zeros_like(z), z, ensemble.config.curvature))


def kinetic_temperature(ensemble: Ensemble) -> Float[np.ndarray, "chains saves"]:
    """λ⁻²‖p‖²/D of every saved state, whose mean in equilibrium is T."""
    scale = np.asarray(conformal_factor(jnp.asarray(ensemble.positions), ensemble.config.curvature))
    return np.mean((ensemble.momenta / scale[..., None]) ** 2, axis=-1)


def at_the_edge(ensemble: Ensemble) -> int:
    """How many chains end where the coordinates hold no more digits of the distance."""
    last = ensemble.positions[:, -1]
    radius = np.linalg.norm(last, axis=-1) * ensemble.config.curvature**0.5
    return int(np.sum(radius > 1.0 - 64 * np.finfo(last.dtype).eps))


def simulation_table(ensemble: Ensemble, law: Law | str) -> Table:
    """Means over the second half of the chains, beside the exact values where there are any."""
    config, energies = ensemble.config, ensemble.energies
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("measured", "± error", "exact"):
        table.add_column(column, justify="right", no_wrap=True)
    exact = (
        ("", "", "")
        if isinstance(law, str)
        else (f"{law.second_moment:.4f}", f"{config.temperature:g}", f"{law.energy:.4f}")
    )
    for name, values, value in zip(
        ("E\\[d(0,z)²]", "E\\[λ⁻²‖p‖²]/D", "E\\[H]"),
        (radii(ensemble) ** 2, kinetic_temperature(ensemble), energies),
        exact,
        strict=True,
    ):
        found = measure(values)
        error = "" if np.isnan(found.error) else f"{found.error:.4f}"
        table.add_row(name, f"{found.mean:.4f}", error, value)
    if config.friction == 0:
        table.add_row("max |H - H(0)|", f"{np.abs(energies - energies[:, :1]).max():.2g}", "", "0")
    if config.jumps:
        count = int(ensemble.jump_counts[:, -1].sum())
        expected = config.jump_rate * ensemble.times[-1] * config.chains
        table.add_row("jumps", str(count), f"{expected**0.5:.0f}", f"{expected:.0f}")
    table.add_row("chain steps/s", f"{ensemble.steps_per_second:.3g}", "", "")
    return table


def notes(ensemble: Ensemble, law: Law | str) -> list[str]:
    """What must be said of the means, a line each."""
    config, times = ensemble.config, ensemble.times
    lines = [
        f"{len(times)} states of {config.chains} chains saved; means over t ≥ {times[len(times) // 2]:g}"
    ]
    if isinstance(law, str):
        lines.append(law.replace("\n", " "))
    if edge := at_the_edge(ensemble):
        lines.append(
            f"{edge} of {config.chains} chains ended at the edge of what {ensemble.positions.dtype} "
            "holds, so trust no mean: use fewer --steps, a lower --temperature or JAX_ENABLE_X64=1."
        )
    return lines


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
    for ax in axes[1:]:
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(describe(ensemble.config), fontsize=11)
    figure.savefig(file, dpi=130)
    plt.close(figure)
    return file
