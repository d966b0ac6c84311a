"""What a LeRobot folder says about itself: features, episodes and the fields of `meta/info.json`."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any, Literal

from gyrax._errors import InputError

FLOAT_DTYPES = frozenset({"float16", "float32", "float64"})
INTEGER_DTYPES = frozenset(
    {"bool"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
NUMERIC_DTYPES = FLOAT_DTYPES | INTEGER_DTYPES

REMEDY = "write the folder again with lerobot, or copy it again"

_FORMAT_SPEC = re.compile(r"(0?[0-9]{1,2})?d?")


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
    """Check the parsed `info.json`; raises `InputError` naming the first unusable field."""
    fields = expect_object(file, "the whole file", raw)
    fps = fields.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 1e6:
        raise InputError(f"{file}: fps is {show(fps)}, expected a number above 0; {REMEDY}")
    robot = fields.get("robot_type")
    if robot is not None and not isinstance(robot, str):
        raise InputError(f"{file}: robot_type is {show(robot)}, expected a text; {REMEDY}")
    data_path = fields.get("data_path")
    if not isinstance(data_path, str):
        raise InputError(f"{file}: data_path is {show(data_path)}, expected a text; {REMEDY}")
    video_path = fields.get("video_path")
    if video_path is not None and not isinstance(video_path, str):
        raise InputError(f"{file}: video_path is {show(video_path)}, expected a text; {REMEDY}")
    features = expect_object(file, "features", fields.get("features"))
    return Info(
        file=file,
        robot=robot,
        fps=float(fps),
        features={name: _feature(file, name, value) for name, value in features.items()},
        episodes=expect_count(file, "total_episodes", fields.get("total_episodes"), least=1),
        frames=expect_count(file, "total_frames", fields.get("total_frames"), least=1),
        tasks=expect_count(file, "total_tasks", fields.get("total_tasks"), least=0),
        chunk_size=expect_count(file, "chunks_size", fields.get("chunks_size", 1000), least=1),
        data_path=data_path,
        video_path=video_path,
    )


def _feature(file: Path, name: str, raw: Any) -> Feature:
    where = f"features[{show(name)}]"
    fields = expect_object(file, where, raw)
    dtype, shape = fields.get("dtype"), fields.get("shape")
    if not isinstance(dtype, str):
        raise InputError(f"{file}: {where}.dtype is {show(dtype)}, expected a text; {REMEDY}")
    if not isinstance(shape, list):
        raise InputError(f"{file}: {where}.shape is {show(shape)}, expected a list; {REMEDY}")
    sizes = tuple(expect_count(file, f"{where}.shape", size, least=1) for size in shape)
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


def fill_template(
    info: Info, name: Literal["data_path", "video_path"], **values: int | str
) -> Path:
    """The file that the template `name` of `info` names for these values: always inside the folder.

    Raises `InputError` where there is no template, it has a field other than `values`, lacks the
    last of them or a text among them, or would leave the folder.
    """
    template = getattr(info, name)
    what = f"{info.file}: {name} is {show(template)}"
    if template is None:
        raise InputError(f"{what}, expected a text; {REMEDY}")
    found = set()
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"{what}, which is no valid template ({error}); {REMEDY}") from None
    for _, field_name, spec, conversion in parts:
        if field_name is None:
            continue
        numbered = isinstance(values.get(field_name), int) and _FORMAT_SPEC.fullmatch(spec or "")
        if conversion or not (numbered or (field_name in values and not spec)):
            known = ", ".join(f"{{{key}}}" for key in values)
            raise InputError(f"{what}, expected only the fields {known}; {REMEDY}")
        found.add(field_name)
    *_, last = values
    for needed in (last, *(key for key, value in values.items() if isinstance(value, str))):
        if needed not in found:
            raise InputError(f"{what}, expected it to hold {{{needed}}}; {REMEDY}")
    filled = template.format(**values)
    relative = PurePosixPath(filled)
    # Backslashes and colons lead out of the folder on Windows.
    outside = relative.is_absolute() or ".." in relative.parts or set(filled) & set("\\:")
    # Symbolic links are left alone: the cache of the Hugging Face hub is made of them.
    if outside or not filled.isprintable():
        raise InputError(f"{what}, expected a path that stays inside the folder; {REMEDY}")
    return info.file.parent.parent / relative


def check_totals(info: Info, episodes: Sequence[Episode], tasks: Sequence[str]) -> None:
    """Hold the episode and task lists to the totals of `info.json` and to each other."""
    frames = sum(episode.length for episode in episodes)
    for name, said, found in (
        ("total_episodes", info.episodes, len(episodes)),
        ("total_frames", info.frames, frames),
        ("total_tasks", info.tasks, len(tasks)),
    ):
        if said != found:
            raise InputError(f"{info.file}: {name} is {said}, but meta/ lists {found}; {REMEDY}")
    known = set(tasks)
    for episode in episodes:
        unknown = [task for task in episode.tasks if task not in known]
        if unknown:
            raise InputError(
                f"{info.file.parent}: episode {episode.index} has the task {show(unknown[0])}, "
                f"which the list of tasks lacks; {REMEDY}"
            )


def expect_object(file: Path, where: str, raw: Any) -> Mapping[str, Any]:
    """`raw` if it is a JSON object; `InputError` otherwise."""
    if not isinstance(raw, dict):
        raise InputError(f"{file}: {where} is {show(raw)}, expected a JSON object; {REMEDY}")
    return raw


def expect_count(file: Path, where: str, raw: Any, *, least: int) -> int:
    """`raw` if it is an integer of at least `least`; `InputError` otherwise."""
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < least:
        raise InputError(
            f"{file}: {where} is {show(raw)}, expected an integer of at least {least}; {REMEDY}"
        )
    return raw


def expect_seconds(file: Path, where: str, raw: Any) -> float:
    """`raw` if it is a finite number of at least 0; `InputError` otherwise."""
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if not number or not 0 <= raw < 1e9:
        raise InputError(
            f"{file}: {where} is {show(raw)}, expected seconds of at least 0; {REMEDY}"
        )
    return float(raw)


def expect_texts(file: Path, where: str, raw: Any) -> tuple[str, ...]:
    """`raw` as a tuple if it is a list of texts; `InputError` otherwise."""
    if not isinstance(raw, list) or not all(isinstance(text, str) for text in raw):
        raise InputError(f"{file}: {where} is {show(raw)}, expected a list of texts; {REMEDY}")
    return tuple(raw)


def show_all(names: Iterable[str]) -> str:
    """These names on one line, for an error message."""
    text = ", ".join(repr(name) for name in names) or "none"
    return text if len(text) <= 400 else text[:397] + "..."


def show(value: Any) -> str:
    """`value` on one line and short, for an error message; nothing found is `missing`."""
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
