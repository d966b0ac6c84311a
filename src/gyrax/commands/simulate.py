"""`gyrax simulate`: many chains of one Langevin equation on the ball, saved, drawn and tabulated."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import Device, with_options
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import prepare_device
from gyrax.simulation.chains import run_chains
from gyrax.simulation.law import exact_law
from gyrax.simulation.plan import make_plan
from gyrax.simulation.setup import SimulationConfig, check_config, describe, resolve
from gyrax.simulation.table import notes, simulation_table

STATES = "simulation.npz"


@with_options(SimulationConfig)
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write simulation.npz and simulation.png.")],
    options: SimulationConfig,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the simulation that the folder holds.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Simulate Langevin dynamics on the ball: saved states, a figure, and means beside exact values."""
    from gyrax.simulation.figure import simulation_figure  # matplotlib, which --help can do without

    check_config(options)
    _check_folder(out, overwrite)
    platform = prepare_device(device)
    config, phi = resolve(options)
    plan = make_plan(config)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot be made ({error.strerror}); give another one."
        ) from None
    console = Console()
    console.print(f"{config.chains} chains of {config.steps} steps on {platform}", highlight=False)
    console.print(describe(config), soft_wrap=True, highlight=False)
    with make_progress(console) as progress:
        task = progress.add_task("simulating", total=config.steps, note="compiling")
        ensemble = run_chains(
            config, phi, plan, lambda n: progress.update(task, completed=n, note="steps")
        )
    law = exact_law(config)
    states, figure = out / STATES, out / "simulation.png"
    ensemble.save(states)
    simulation_figure(ensemble, law, figure)
    console.print(simulation_table(ensemble, law))
    lines = [*notes(ensemble, law), f"figure: {figure}", f"states: {states}"]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _check_folder(out: Path, overwrite: bool) -> None:
    """Raise `InputError` where `out` is a file, or holds a simulation that would be lost."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder.")
    if (out / STATES).exists() and not overwrite:
        raise InputError(
            f"--out {out}: already holds {STATES}; replace it with --overwrite, or give another "
            "folder."
        )
