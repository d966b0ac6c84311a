"""`gyrax bench`: speed, compile time and memory, measured and printed."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import Device, with_settings
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import prepare_device
from gyrax.runtime.options import check_choice, check_number
from gyrax.training.presets import make_settings
from gyrax.training.settings import LEAVES

KINDS = ("train", "rollout", "simulate", "data", "growth", "all")


@with_settings
def bench(
    what: Annotated[
        str,
        typer.Option(
            help="train, rollout, simulate, data, all of these, or growth: the cost of a rollout "
            "against its sizes, as a table and a figure."
        ),
    ] = "all",
    preset: Annotated[
        str, typer.Option(help="default, document, quick, or a complete TOML file.")
    ] = "document",
    rounds: Annotated[int, typer.Option(help="Repeats of everything timed, in turn.")] = 7,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of growth's figure. [default: outputs/bench]")
    ] = None,
    device: Device = "auto",
    *,
    given: dict[str, Any],
) -> None:
    """Measure speed, compile time and memory beside yardsticks timed in the same run."""
    from gyrax.bench.report import RATIOS, measure_all
    from gyrax.bench.table import bench_tables

    _check(what, rounds, out, given)
    settings = make_settings(preset, given)
    report = {"preset": preset, "settings": given, "platform": prepare_device(device)}
    messages = Console(stderr=True)
    with make_progress(messages) as progress:
        task = progress.add_task(f"bench, preset {preset}", total=None, note="")
        report |= measure_all(
            what,
            settings,
            rounds=rounds,
            device=device,
            out=out or Path("outputs/bench"),
            console=messages,
            note=lambda text: progress.update(task, note=text),
        )
    if json:
        print(json_text.dumps(report, indent=1))
        return
    console = Console()
    for table in bench_tables(report):
        console.print(table)
    console.print(RATIOS, highlight=False)


def _check(what: str, rounds: int, out: Path | None, given: dict[str, Any]) -> None:
    """Raise `InputError` for an unknown measurement, or a flag that it does not take."""
    check_choice("--what", what, KINDS)
    check_number("--rounds", rounds, least=1, most=10_000)
    if given and what == "growth":
        flag = LEAVES[next(iter(given))].name
        raise InputError(f"--what growth varies sizes of its own; leave {flag} out.")
    if out is not None and what != "growth":
        raise InputError("--out is for the figure of --what growth; leave it out.")
