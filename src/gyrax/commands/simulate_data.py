"""`simulate-data`: episodes of the simulated arm and its cubes, as a LeRobot folder."""

from pathlib import Path

from rich.console import Console

from gyrax._errors import InputError
from gyrax.runtime.console import make_progress


def simulate_data_run(out: Path, *, episodes: int, seed: int, cubes: int, console: Console) -> None:
    """Simulate episodes of arm and cubes into a LeRobotDataset v3.0 folder, with a progress bar.

    Raises `InputError` for unusable numbers, without MuJoCo, or where `out` is taken.
    """
    from gyrax.envs.arm import MAX_CUBES, write_simulated

    if not 1 <= cubes <= MAX_CUBES:
        raise InputError(f"--cubes is {cubes}; give 1 to {MAX_CUBES}.")
    for flag, value, low in (("--episodes", episodes, 1), ("--seed", seed, 0)):
        if value < low:
            raise InputError(f"{flag} is {value}; give {low} or more.")
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
