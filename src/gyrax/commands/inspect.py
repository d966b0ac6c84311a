"""`gyrax inspect`: what a LeRobot folder holds, and what in it would trouble training."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from gyrax.data.inspection import STATISTICS, inspect_folder
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.runtime.console import make_progress, make_table


def inspect(
    folder: Annotated[Path, typer.Argument(help="LeRobot folder, v3.0 or v2.1.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what a LeRobot folder holds, and warn of what in it would trouble training."""
    opened = open_folder(folder)
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("inspecting", total=opened.frames)
        report = inspect_folder(opened, lambda frames: progress.advance(task, frames))
    if json:
        print(json_text.dumps(report, indent=1, allow_nan=False))
    else:
        _print(opened, report, Console())


def _print(folder: LeRobotFolder, report: dict[str, Any], console: Console) -> None:
    console.print(
        f"{folder.path}: LeRobotDataset {report['version']}, robot {report['robot'] or 'unnamed'}, "
        f"{report['fps']:g} fps, {report['episodes']} episodes, {report['frames']} frames",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    for number, text in enumerate(report["tasks"]):
        console.print(f"task {number}: {text}", highlight=False, markup=False, soft_wrap=True)
    table = make_table(("key", "type", *STATISTICS), left=2)
    for column in table.columns:  # a row stays a line, also where the terminal is narrow
        column.no_wrap = True
    for key, feature in report["features"].items():
        kind = f"{feature['dtype']} {' x '.join(map(str, feature['shape']))}"
        single = "min" in feature and len(feature["min"]) == 1
        table.add_row(escape(key), kind, *(_numbers(feature, 0) if single else ()))
        if "min" in feature and not single:
            for i, name in enumerate(folder.names(key)):
                table.add_row(escape(f"  {name}"), "", *_numbers(feature, i))
    console.print(table)
    cameras = ", ".join(folder.cameras) or "none"
    console.print(f"cameras: {cameras}", highlight=False, markup=False, soft_wrap=True)
    for warning in report["warnings"]:
        console.print(
            f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True
        )
    if not report["warnings"]:
        console.print("no warnings")


def _numbers(feature: dict[str, Any], component: int) -> list[str]:
    values = [feature[name][component] for name in STATISTICS]
    return ["" if value is None else f"{value:.4g}" for value in values]
