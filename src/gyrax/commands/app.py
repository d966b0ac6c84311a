"""The Typer app: one command a verb. What a command needs is imported when it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gyrax.commands.bench import bench
from gyrax.commands.errors import one_line_errors
from gyrax.commands.flags import Data, Device, with_settings
from gyrax.commands.simulate import simulate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learned Hamiltonian Langevin dynamics on the Poincaré ball.",
)
console = Console()


@one_line_errors
def train(
    preset: Annotated[str, typer.Option(help="default, document or quick.")] = "default",
    phase: Annotated[str, typer.Option(help="1, 2, 3 or all.")] = "all",
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder. [default: outputs/vla/joint]")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Checkpoint or run folder to go on from.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that the folder holds.")
    ] = False,
    device: Device = "auto",
    coordinator: Annotated[
        str | None, typer.Option(help="host:port of process 0, to train in several processes.")
    ] = None,
    num_processes: Annotated[
        int | None, typer.Option(help="How many processes; a cluster's launcher is recognised.")
    ] = None,
    process_id: Annotated[
        int | None, typer.Option(help="Which of them this is; 0 writes all files.")
    ] = None,
    *,
    settings: dict[str, Any],
) -> None:
    """Train encoder (phase 1), world model (2), both together (3), or all in turn."""
    from gyrax.commands.runs import train_run

    train_run(
        settings,
        preset=preset,
        phase=phase,
        data=data,
        out=out,
        resume=resume,
        overwrite=overwrite,
        device=device,
        console=console,
        coordinator=coordinator,
        num_processes=num_processes,
        process_id=process_id,
    )


app.command("train")(with_settings(train))


@app.command("evaluate")
@one_line_errors
def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="Run folder or checkpoint.")],
    data: Data = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    seeds: Annotated[
        int, typer.Option(help="With more than 1: train model and baselines once for each seed.")
    ] = 1,
    samples: Annotated[
        int, typer.Option(help="Sampled rollouts a window, for coverage and energy score.")
    ] = 0,
    long: Annotated[int, typer.Option(help="Frames of the second, longer horizon; 0: none.")] = 30,
    baselines: Annotated[
        bool,
        typer.Option("--baselines/--no-baselines", help="Train MLP, GRU and flat twin beside it."),
    ] = True,
    device: Device = "auto",
) -> None:
    """Measure how well a trained world model predicts, beside baselines trained as it was."""
    from gyrax.commands.runs import evaluate_run

    numbers = dict(seeds=seeds, samples=samples, long=long, learned=baselines)
    evaluate_run(
        checkpoint,
        data=data,
        split=split,
        numbers=numbers,
        as_json=json,
        device=device,
        console=console,
    )


@one_line_errors
def ablate(
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=V1,V2: a setting by its flag, or solver, force, boris, jump, alpha, temperature, "
            "context, substeps, dt, curvature=ball,flat. Give it several times."
        ),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Every combination, not one factor at a time.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="Training seeds a variant.")] = 3,
    preset: Annotated[str, typer.Option(help="default, document or quick.")] = "default",
    encoder: Annotated[
        Path | None, typer.Option(help="Run whose encoder and settings all variants share.")
    ] = None,
    data: Data = None,
    split: Annotated[str, typer.Option(help="Episodes that are scored.")] = "val",
    out: Annotated[Path, typer.Option(help="Folder of cells and tables; may be resumed.")] = Path(
        "outputs/ablation"
    ),
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Train variants of one setting on one encoder with one budget, and compare them in pairs."""
    from gyrax.ablation.run import ablate_run

    ablate_run(
        settings,
        vary=vary or [],
        grid=grid,
        seeds=seeds,
        preset=preset,
        encoder=encoder,
        data=data,
        split=split,
        out=out,
        device=device,
        console=console,
    )


app.command("ablate")(with_settings(ablate))


app.command("simulate")(one_line_errors(simulate))


@app.command("inspect")
@one_line_errors
def inspect(
    folder: Annotated[Path, typer.Argument(help="LeRobot folder, v3.0 or v2.1.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what a LeRobot folder holds, and warn of what in it would trouble training."""
    from gyrax.commands.inspect import inspect_run

    inspect_run(folder, as_json=json, console=console)


@app.command("extract")
@one_line_errors
def extract(
    dataset: Annotated[Path, typer.Option(help="LeRobot folder, v3.0 or v2.1.")],
    backbone: Annotated[
        str,
        typer.Option(
            help="state: standardised states. smolvla: hidden states of SmolVLA's action expert."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Cache to write, or to go on with.")],
    max_episodes: Annotated[
        int, typer.Option(help="Only so many episodes, from the first on; 0 for all.")
    ] = 0,
    device: Device = "auto",
    batch_size: Annotated[
        int | None, typer.Option(help="Frames at a time. [default: state 4096, smolvla 16]")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="smolvla: folder or hub id. [default: lerobot/smolvla_base]"),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="smolvla: NAME=KEY, the weights' camera and the folder's; repeatable."),
    ] = None,
) -> None:
    """Compute the features of every frame of a LeRobot folder once, into a cache for --data."""
    from gyrax.commands.extract import extract_run

    extract_run(
        dataset,
        backbone=backbone,
        out=out,
        max_episodes=max_episodes,
        device=device,
        batch_size=batch_size,
        weights=weights,
        cameras=camera or [],
        console=console,
    )


app.command("bench")(one_line_errors(bench))


@app.command("simulate-data")
@one_line_errors
def simulate_data(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    episodes: Annotated[int, typer.Option(help="Number of episodes.")] = 100,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    cubes: Annotated[int, typer.Option(help="Cubes on the table, 1 to 4.")] = 1,
) -> None:
    """Simulate the arm and its cubes with MuJoCo and write a LeRobotDataset v3.0 folder."""
    from gyrax.commands.simulate_data import simulate_data_run

    simulate_data_run(out, episodes=episodes, seed=seed, cubes=cubes, console=console)


def main() -> None:
    """Run the command line."""
    app()
