"""What a LeRobot folder says about itself: features, episodes and the fields of `meta/info.json`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import REMEDY, expect_count, expect_object, expect_text, show

FLOAT_DTYPES = frozenset({"float16", "float32", "float64"})
INTEGER_DTYPES = frozenset(
    {"bool"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
NUMERIC_DTYPES = FLOAT_DTYPES | INTEGER_DTYPES
WIDEST = 10**8
"""Numbers of one frame's value: those of a colour picture of 7680 × 4320 pixels."""


@dataclass(frozen=True)
class Feature:
    """One column: its dtype, the shape of one frame's value, and a name for each component."""

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None

    @property
    def width(self) -> int:
        """Number of components of one frame's value."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Episode:
    """One recorded run: its index, its number of frames and its task texts."""

    index: int
    length: int
    tasks: tuple[str, ...]
    _file: Path = field(repr=False)
    _row: int = field(repr=False)


@dataclass(frozen=True)
class Clip:
    """Where one camera's frames of an episode are: its video file, and the first one's number there."""

    file: Path
    begin: int


@dataclass(frozen=True)
class Info:
    """The checked content of `meta/info.json` that reading needs."""

    file: Path
    robot: str | None
    fps: float
    features: dict[str, Feature]
    episodes: int
    frames: int
    tasks: int
    chunk_size: int
    data_path: str
    video_path: str | None


def parse_info(file: Path, raw: Any) -> Info:
    """Check the parsed `info.json`. Raises `InputError` naming the first unusable field."""
    fields = expect_object(file, "the whole file", raw)
    fps, robot, video_path = fields.get("fps"), fields.get("robot_type"), fields.get("video_path")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 1e6:
        raise InputError(f"{file}: fps is {show(fps)}, expected a number above 0; {REMEDY}")
    features = expect_object(file, "features", fields.get("features"))
    return Info(
        file=file,
        robot=None if robot is None else expect_text(file, "robot_type", robot),
        fps=float(fps),
        features={name: _feature(file, name, value) for name, value in features.items()},
        episodes=expect_count(file, "total_episodes", fields.get("total_episodes"), least=1),
        frames=expect_count(file, "total_frames", fields.get("total_frames"), least=1),
        tasks=expect_count(file, "total_tasks", fields.get("total_tasks"), least=0),
        chunk_size=expect_count(file, "chunks_size", fields.get("chunks_size", 1000), least=1),
        data_path=expect_text(file, "data_path", fields.get("data_path")),
        video_path=None if video_path is None else expect_text(file, "video_path", video_path),
    )


def _feature(file: Path, name: str, raw: Any) -> Feature:
    where = f"features[{show(name)}]"
    fields = expect_object(file, where, raw)
    dtype, shape = expect_text(file, f"{where}.dtype", fields.get("dtype")), fields.get("shape")
    if not isinstance(shape, list):
        raise InputError(f"{file}: {where}.shape is {show(shape)}, expected a list; {REMEDY}")
    sizes = tuple(expect_count(file, f"{where}.shape", size, least=1) for size in shape)
    if math.prod(sizes) > WIDEST:
        raise InputError(
            f"{file}: {where}.shape is {show(shape)}, expected at most {WIDEST} numbers; {REMEDY}"
        )
    names = _flat_names(fields.get("names"))
    # Published folders carry one name for a whole vector, or none that fit: such names say nothing.
    fits = names is not None and sizes and len(names) in (sizes[0], math.prod(sizes), len(sizes))
    return Feature(dtype=dtype, shape=sizes, names=names if fits else None)


def _flat_names(raw: Any) -> tuple[str, ...] | None:
    """Component names out of a list, `{"motors": [...]}` or `{"x": 0, "y": 1}`."""
    if isinstance(raw, dict):
        lists = [value for value in raw.values() if isinstance(value, list)]
        raw = [name for value in lists for name in value] if lists else list(raw)
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        return None
    return tuple(raw)


def check_totals(info: Info, episodes: Sequence[Episode], tasks: Sequence[str]) -> None:
    """Hold the episode and task lists to the totals of `info.json` and to each other."""
    frames = sum(episode.length for episode in episodes)
    for name, total, listed in (
        ("total_episodes", info.episodes, len(episodes)),
        ("total_frames", info.frames, frames),
        ("total_tasks", info.tasks, len(tasks)),
    ):
        if total != listed:
            raise InputError(f"{info.file}: {name} is {total}, but meta/ lists {listed}; {REMEDY}")
    known = set(tasks)
    for episode in episodes:
        unknown = [task for task in episode.tasks if task not in known]
        if unknown:
            raise InputError(
                f"{info.file.parent}: episode {episode.index} has the task {show(unknown[0])}, "
                f"which the list of tasks lacks; {REMEDY}"
            )
