"""`inspect`: what a LeRobot folder holds, and what in it would trouble training."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from gyrax.data.inspection import STATISTICS, inspect_folder
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.runtime.console import make_progress, make_table


def inspect_run(path: Path, *, as_json: bool, console: Console) -> dict[str, Any]:
    """Inspect a folder and print the report as tables, or as JSON on standard output.

    Raises `InputError` where the folder cannot be read.
    """
    folder = open_folder(path)
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("inspecting", total=folder.frames)
        report = inspect_folder(folder, lambda frames: progress.advance(task, frames))
    if as_json:
        print(json.dumps(report, indent=1, allow_nan=False))
    else:
        _print(folder, report, console)
    return report


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
