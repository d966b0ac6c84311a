"""gyrax on the command line: parse, then one call per command."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import with_settings
from gyrax.simulation.setup import SimulationConfig

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learned Hamiltonian Langevin dynamics on the Poincaré ball.",
)
console = Console()

Data = Annotated[
    Path | None,
    typer.Option(help="LeRobot folder or feature cache; the simulated default set if left out."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake is one line on standard error and exit code 2, never a traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("interrupted; what was finished before is kept", file=sys.stderr)
            raise typer.Exit(130) from None

    return guarded


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


@app.command("simulate")
@one_line_errors
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write simulation.npz and simulation.png.")],
    potential: Annotated[
        str,
        typer.Option(
            help="harmonic: Φ = d(0,z)²/2. drive: Φ = -d(0,z), outward, of no normalisable law. "
            "double-well: Φ = d(z,a)² d(z,-a)²/ρ⁴ with ±a on the first axis at d(0,±a) = ρ = 1.5. "
            "world-model: that of --checkpoint, under uniform chart weights."
        ),
    ] = SimulationConfig.potential,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Run folder or checkpoint, for --potential world-model.")
    ] = SimulationConfig.checkpoint,
    dim: Annotated[
        int, typer.Option(help="Dimension of the ball; a world model has its own.")
    ] = SimulationConfig.dim,
    temperature: Annotated[float, typer.Option(help="T.")] = SimulationConfig.temperature,
    friction: Annotated[float, typer.Option(help="γ; 0 for no noise.")] = SimulationConfig.friction,
    field: Annotated[
        float, typer.Option(help="Magnetic field: the rate at which it turns velocities.")
    ] = SimulationConfig.field,
    curvature: Annotated[
        float, typer.Option(help="c: the ball has curvature -c; a world model has its own.")
    ] = SimulationConfig.curvature,
    solver: Annotated[
        str, typer.Option(help="Solver name or splitting word.")
    ] = SimulationConfig.solver,
    dt: Annotated[float, typer.Option(help="Time step.")] = SimulationConfig.dt,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = SimulationConfig.steps,
    chains: Annotated[int, typer.Option(help="Independent chains.")] = SimulationConfig.chains,
    jumps: Annotated[
        bool,
        typer.Option(
            "--jumps/--no-jumps",
            help="Jumps z -> -z at exact times, which keep the law of the named potentials.",
        ),
    ] = SimulationConfig.jumps,
    jump_rate: Annotated[
        float, typer.Option(help="Jumps per unit of time, with --jumps.")
    ] = SimulationConfig.jump_rate,
    seed: Annotated[int, typer.Option(help="Random seed.")] = SimulationConfig.seed,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the simulation that the folder holds.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Simulate Langevin dynamics on the ball: saved states, a figure, and means beside exact values."""
    from gyrax.simulation.chains import simulate_run

    config = SimulationConfig(
        potential=potential,
        checkpoint=checkpoint,
        dim=dim,
        temperature=temperature,
        friction=friction,
        field=field,
        curvature=curvature,
        solver=solver,
        dt=dt,
        steps=steps,
        chains=chains,
        jumps=jumps,
        jump_rate=jump_rate,
        seed=seed,
    )
    simulate_run(config, out=out, overwrite=overwrite, device=device, console=console)


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


@one_line_errors
def bench(
    what: Annotated[
        str,
        typer.Option(
            help="train, rollout, simulate, data, all of these, or growth: the cost of a rollout "
            "against its sizes, as a table and a figure."
        ),
    ] = "all",
    preset: Annotated[str, typer.Option(help="default, document or quick.")] = "document",
    rounds: Annotated[int, typer.Option(help="Repeats of everything timed, in turn.")] = 7,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of growth's figure. [default: outputs/bench]")
    ] = None,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Measure speed, compile time and memory beside yardsticks timed in the same run."""
    from gyrax.bench.command import bench_run

    bench_run(
        settings,
        what=what,
        preset=preset,
        rounds=rounds,
        as_json=json,
        out=out,
        device=device,
        root=Path(__file__).resolve().parent,
        console=console,
    )


app.command("bench")(with_settings(bench))


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


if __name__ == "__main__":
    app()
