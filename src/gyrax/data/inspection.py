"""What a LeRobot folder holds, and what in it would trouble training, found in one pass."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gyrax.data.lerobot.files import is_there
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.data.lerobot.proprioception import ACTION, STATE
from gyrax.data.lerobot.schema import NUMERIC_DTYPES, Episode
from gyrax.data.moments import Moments
from gyrax.runtime.console import make_progress

STATISTICS = ("min", "max", "mean", "std")
TIME = "timestamp"
TIME_TOLERANCE = 0.01
"""In frames: how far a timestamp may be from its frame number over fps, beside float32's rounding."""


@dataclass
class _Count:
    """How many frames have some trouble, and the first that has."""

    frames: int = 0
    episode: int = 0
    frame: int = 0

    def add(self, episode: int, frames: np.ndarray) -> None:
        if frames.size and not self.frames:
            self.episode, self.frame = episode, int(frames[0])
        self.frames += frames.size


@dataclass
class _Findings:
    """What one pass over the episodes gathers."""

    moments: dict[str, Moments]
    not_finite: dict[str, _Count]
    repeated: _Count = field(default_factory=_Count)
    late: int = 0
    first_late: str = ""


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


def inspect_folder(
    folder: LeRobotFolder, progress: Callable[[int], object] = lambda frames: None
) -> dict[str, Any]:
    """A report on an opened folder, one episode in memory at a time.

    Its keys are `version`, `robot`, `fps`, `episodes`, `frames`, `tasks`, `features` and `warnings`.
    `progress` is called with the number of frames done since its last call.
    """
    keys = [key for key, f in folder.features.items() if f.dtype in NUMERIC_DTYPES]
    observed = [key for key in keys if key == ACTION or key.startswith("observation.")]
    found = _Findings(
        {key: Moments(folder.features[key].width) for key in keys},
        {key: _Count() for key in observed},
    )
    for episode in folder.episodes:
        columns = folder.read(episode.index, keys, finite=False)
        for key, values in columns.items():
            found.moments[key].add(values)
        _look_at(folder, episode, columns, observed, found)
        progress(episode.length)
    return {
        "version": folder.version,
        "robot": folder.robot,
        "fps": folder.fps,
        "episodes": len(folder.episodes),
        "frames": folder.frames,
        "tasks": list(folder.tasks),
        "features": {
            key: _described(folder, key, found.moments.get(key)) for key in folder.features
        },
        "warnings": [
            *_layout_warnings(folder),
            *_value_warnings(folder, observed, found),
            *_video_warnings(folder),
        ],
    }


def _described(folder: LeRobotFolder, key: str, moments: Moments | None) -> dict[str, Any]:
    feature = folder.features[key]
    described: dict[str, Any] = {
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "names": None if feature.names is None else list(feature.names),
    }
    if moments is None:
        return described
    found = moments.low, moments.high, moments.mean, moments.std
    for name, values in zip(STATISTICS, found, strict=True):
        pairs = zip(values.tolist(), moments.known, strict=True)
        described[name] = [value if known else None for value, known in pairs]
    return described


def _look_at(
    folder: LeRobotFolder,
    episode: Episode,
    columns: dict[str, np.ndarray],
    observed: list[str],
    found: _Findings,
) -> None:
    """Note the frames of one episode that are not finite, repeat the one before, or are mistimed."""
    same = np.ones(episode.length - 1, bool)
    for key in observed:
        values = columns[key]
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        found.not_finite[key].add(episode.index, bad)
        same &= (values[1:] == values[:-1]).all(1)
    if observed:
        found.repeated.add(episode.index, np.flatnonzero(same) + 1)
    if TIME in columns:
        times = columns[TIME][:, 0].astype(np.float64)
        expected = np.arange(episode.length) / folder.fps
        allowed = TIME_TOLERANCE / folder.fps + np.finfo(np.float32).eps * expected
        wrong = np.flatnonzero(~(np.abs(times - expected) <= allowed))
        if wrong.size:
            i = wrong[0]
            found.late += 1
            found.first_late = found.first_late or (
                f"episode {episode.index}, frame {i}: {times[i]:.4f} s, expected {expected[i]:.4f} s"
            )


def _layout_warnings(folder: LeRobotFolder) -> list[str]:
    warnings = []
    state, action = (folder.features.get(key) for key in (STATE, ACTION))
    for key, feature in ((STATE, state), (ACTION, action)):
        if feature is None:
            warnings.append(f"there is no {key}, which training needs")
    if state is not None and action is not None and state.width != action.width:
        warnings.append(f"{ACTION} has {action.width} values a frame, {STATE} {state.width}")
    if len(folder.episodes) < 3:
        warnings.append("fewer than 3 episodes: too few to train, validate and test on")
    short = [episode for episode in folder.episodes if episode.length < folder.fps]
    if short:
        least = min(short, key=lambda episode: episode.length)
        warnings.append(
            f"{len(short)} of {len(folder.episodes)} episodes are shorter than a second (the shortest "
            f"is episode {least.index} with {least.length} frames)"
        )
    return warnings


def _value_warnings(folder: LeRobotFolder, observed: list[str], found: _Findings) -> list[str]:
    warnings = []
    for key in observed:
        moments, names = found.moments[key], folder.names(key)
        bad = found.not_finite[key]
        if bad.frames:
            columns = ", ".join(names[i] for i in np.flatnonzero(moments.bad))
            warnings.append(
                f"{key}: NaN or infinite in {bad.frames} of {folder.frames} frames (first in "
                f"episode {bad.episode}, frame {bad.frame}; columns: {columns}); training refuses this"
            )
        flat = np.flatnonzero(moments.constant)
        if flat.size:
            columns = ", ".join(f"{names[i]} = {moments.mean[i]:g}" for i in flat)
            warnings.append(f"{key}: constant columns: {columns}; training refuses these")
    again = found.repeated
    if again.frames:
        warnings.append(
            f"{again.frames} of {folder.frames} frames repeat the frame before in every state and "
            f"action column (first: episode {again.episode}, frame {again.frame})"
        )
    if found.late:
        warnings.append(
            f"timestamps disagree with {folder.fps:g} fps in {found.late} of "
            f"{len(folder.episodes)} episodes (first: {found.first_late})"
        )
    return warnings


def _video_warnings(folder: LeRobotFolder) -> list[str]:
    warnings = []
    for key in folder.cameras:
        files = dict.fromkeys(clip.file for clip in folder.clips(key))
        missing = [file for file in files if not is_there(file, folder=False)]
        if missing:
            warnings.append(
                f"{key}: {len(missing)} of {len(files)} video files are missing (first: "
                f"{missing[0].relative_to(folder.path)})"
            )
    return warnings


def _print(folder: LeRobotFolder, report: dict[str, Any], console: Console) -> None:
    console.print(
        f"{folder.path}: LeRobotDataset {report['version']}, robot {report['robot'] or 'unnamed'}, "
        f"{report['fps']:g} fps, {report['episodes']} episodes, {report['frames']} frames",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    for number, text in enumerate(report["tasks"]):
        console.print(f"task {number}: {text}", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("key", "type"):
        table.add_column(title, no_wrap=True)
    for title in STATISTICS:
        table.add_column(title, justify="right", no_wrap=True)
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
