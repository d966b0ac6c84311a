"""The metadata of a LeRobotDataset v3.0 folder: parquet tables, many episodes a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import (
    REMEDY,
    expect_count,
    expect_index,
    expect_seconds,
    expect_texts,
    show,
)
from gyrax.data.lerobot.files import check_columns, parquet_errors, read_table
from gyrax.data.lerobot.paths import fill_template
from gyrax.data.lerobot.schema import Clip, Episode, Info

EPISODES = "meta/episodes"
COLUMNS = (
    "episode_index",
    "tasks",
    "length",
    "data/chunk_index",
    "data/file_index",
    "dataset_from_index",
    "dataset_to_index",
)


def read_tasks(folder: Path) -> tuple[str, ...]:
    """The task texts of `meta/tasks.parquet`, in the order of their index.

    pandas wrote the texts as an index column, named `task` or left without a name.
    """
    file = folder / "meta/tasks.parquet"
    with parquet_errors(file):
        names = pq.read_schema(file).names
    text = "__index_level_0__" if "task" not in names else "task"
    check_columns(file, names, ("task_index", text))
    table = read_table(file, ("task_index", text))
    with parquet_errors(file):
        rows = table.to_pylist()
    indices = [expect_count(file, "task_index", row["task_index"], least=0) for row in rows]
    if sorted(indices) != list(range(len(rows))):
        raise InputError(
            f"{file}: task_index is {show(indices)}, expected 0 to {len(rows) - 1}; {REMEDY}"
        )
    texts = expect_texts(file, "the list of tasks", [row[text] for row in rows])
    return tuple(text for _, text in sorted(zip(indices, texts, strict=True)))


def read_episodes(folder: Path, info: Info) -> tuple[Episode, ...]:
    """The episodes of all files below `meta/episodes`, which must be numbered 0, 1, ..."""
    episodes: list[Episode] = []
    first_rows: dict[Path, int] = {}
    next_row = 0
    for file, row in _rows(folder, COLUMNS):
        episode = _episode(file, info, row, len(episodes), next_row, first_rows)
        episodes.append(episode)
        next_row += episode.length
    return tuple(episodes)


def read_clips(info: Info, key: str, episodes: Sequence[Episode]) -> tuple[Clip, ...]:
    """Where the frames of camera `key` are, for each episode: many episodes share a video file."""
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    columns = tuple(f"videos/{key}/{name}" for name in names)
    clips = []
    found = _rows(info.file.parent.parent, columns)
    for episode, (file, row) in zip(episodes, found, strict=True):
        what = f"of episode {episode.index}"
        chunk, number = (expect_count(file, f"{c} {what}", row[c], least=0) for c in columns[:2])
        begin, end = (
            round(expect_seconds(file, f"{c} {what}", row[c]) * info.fps) for c in columns[2:]
        )
        if end - begin != episode.length:
            raise InputError(
                f"{file}: {columns[2]} and {columns[3]} {what} are {end - begin} frames apart, "
                f"expected {episode.length}; {REMEDY}"
            )
        path = fill_template(
            info, "video_path", video_key=key, chunk_index=chunk, file_index=number
        )
        clips.append(Clip(path, begin))
    return tuple(clips)


def _rows(folder: Path, columns: tuple[str, ...]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The rows of all files below `meta/episodes`, each with its file."""
    files = sorted((folder / EPISODES).glob("chunk-*/file-*.parquet"))
    if not files:
        raise InputError(
            f"{folder / EPISODES}: missing, expected chunk-000/file-000.parquet in it; {REMEDY}"
        )
    for file in files:
        table = read_table(file, columns)
        with parquet_errors(file):
            rows = table.to_pylist()
        for row in rows:
            yield file, row


def _episode(
    file: Path,
    info: Info,
    row: dict[str, Any],
    number: int,
    next_row: int,
    first_rows: dict[Path, int],
) -> Episode:
    """One row of the table; its frames must follow on the frames of the rows before it."""
    what = f"of episode {number}"
    count = {
        name: expect_count(file, f"{name} {what}", row[name], least=int(name == "length"))
        for name in COLUMNS
        if name != "tasks"
    }
    for name, expected in (
        ("episode_index", number),
        ("dataset_from_index", next_row),
        ("dataset_to_index", next_row + count["length"]),
    ):
        expect_index(file, f"{name} {what}", count[name], expected)
    chunk, file_number = count["data/chunk_index"], count["data/file_index"]
    path = fill_template(info, "data_path", chunk_index=chunk, file_index=file_number)
    if path in first_rows and path != next(reversed(first_rows)):
        raise InputError(
            f"{file}: episode {number} is in {path.name}, which other files' episodes follow, "
            f"expected files in the order of the episodes; {REMEDY}"
        )
    return Episode(
        index=number,
        length=count["length"],
        tasks=expect_texts(file, f"tasks {what}", row["tasks"]),
        _file=path,
        _row=next_row - first_rows.setdefault(path, next_row),
    )
