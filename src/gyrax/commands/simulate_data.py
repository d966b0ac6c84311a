"""`gyrax simulate-data`: episodes of the simulated arm and its cubes, as a LeRobot folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gyrax._errors import InputError
from gyrax.runtime.console import make_progress
from gyrax.runtime.options import check_number


def simulate_data(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    episodes: Annotated[int, typer.Option(help="Number of episodes.")] = 100,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    cubes: Annotated[int, typer.Option(help="Cubes on the table, 1 to 4.")] = 1,
) -> None:
    """Simulate the arm and its cubes with MuJoCo and write a LeRobotDataset v3.0 folder."""
    from gyrax.envs.arm import MAX_CUBES, write_simulated

    if not 1 <= cubes <= MAX_CUBES:
        raise InputError(f"--cubes is {cubes}; give 1 to {MAX_CUBES}.")
    check_number("--episodes", episodes, least=1, most=10**6)
    check_number("--seed", seed, least=0)
    console = Console()
    with make_progress(console) as progress:
        task = progress.add_task("simulating", total=episodes, note="episodes")
        write_simulated(
            out,
            episodes=episodes,
            seed=seed,
            cubes=cubes,
            progress=lambda done: progress.update(task, completed=done),
        )
    console.print(f"data folder: {out}", soft_wrap=True, highlight=False)
