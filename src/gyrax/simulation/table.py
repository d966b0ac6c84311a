"""Means of an ensemble beside the exact values, for the terminal."""

import numpy as np
from rich.table import Table

from gyrax.runtime.console import make_table
from gyrax.simulation.ensemble import Ensemble
from gyrax.simulation.law import Law
from gyrax.simulation.observables import at_the_edge, kinetic_temperature, measure, radii


def simulation_table(ensemble: Ensemble, law: Law | str) -> Table:
    """Means over the second half of the chains, beside the exact values where there are any."""
    config, energies = ensemble.config, ensemble.energies
    table = make_table(("", "measured", "± error", "exact"))
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
