"""Writes a LeRobotDataset v3.0 folder, to be opened with the lerobot package."""

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import show, show_all
from gyrax.data.lerobot.files import writing_errors
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.video_writer import EncodedClip
from gyrax.data.lerobot.writer_stats import as_lists, combined_statistics, episode_statistics
from gyrax.data.lerobot.writer_tables import (
    DATA_PATH,
    EPISODES_PATH,
    FILE_MEGABYTES,
    FILES_A_CHUNK,
    STANDARD_FEATURES,
    VIDEO_PATH,
    data_schema,
    data_table,
    episodes_table,
    float_leaves,
    info_json,
    tasks_table,
)
from gyrax.runtime.files import folder_written_whole

Column = np.ndarray | EncodedClip
WRITABLE_DTYPES = ("float32", "int64")

_COMPRESSION: dict[str, Any] = {"compression": "zstd", "compression_level": 19}


def write_folder(
    path: str | PathLike[str],
    *,
    robot: str | None,
    fps: float | int,
    features: Mapping[str, Feature],
    episodes: Iterable[tuple[Mapping[str, Column], str]],
) -> None:
    """Write `episodes`, pairs of (length, width) columns and a task text, as a v3.0 folder.

    `features` are those of the columns, float32 or int64 vectors, or videos, whose column is the
    episode's `EncodedClip`, of which the file is moved away; timestamps and indices are added.
    The folder appears at `path` only once it is complete. Raises `InputError` where `path` is
    taken, or an episode does not fit the features.
    """
    target = Path(path).absolute()
    _check_features(target, fps, features)
    with writing_errors(target, "choose another folder"):
        _check_free(target)
        with folder_written_whole(target) as partial:
            _FolderWriter(target, partial, fps, features).write(episodes, robot)
            _check_free(target)


def _check_free(target: Path) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(
            f"{target}: exists and is not an empty folder, expected a new one; "
            f"choose another folder or remove this one"
        )


def _check_features(target: Path, fps: float | int, features: Mapping[str, Feature]) -> None:
    if not 0 < fps <= 1e6:
        raise InputError(f"{target}: fps is {fps}, expected a number above 0; give one")
    if not features:
        raise InputError(f"{target}: no features to write, expected at least one; give one")
    for name, feature in features.items():
        if name in STANDARD_FEATURES or not name or "/" in name:
            raise InputError(
                f"{target}: feature name {show(name)} is not free for use, expected one without "
                f"'/' that is not among {', '.join(STANDARD_FEATURES)}; rename it"
            )
        if feature.dtype == "video":
            continue
        if feature.dtype not in WRITABLE_DTYPES or len(feature.shape) != 1 or feature.width < 1:
            raise InputError(
                f"{target}: feature {show(name)} is {feature.dtype} of shape {feature.shape}, "
                f"expected a float32 or int64 vector; convert it"
            )


class _FolderWriter:
    """Writes one row group an episode, so that reading one never decodes another."""

    def __init__(
        self, target: Path, folder: Path, fps: float | int, features: Mapping[str, Feature]
    ):
        """Writes into `folder`; error messages name `target`, where it will be in the end."""
        self.target = target
        self.folder = folder
        self.fps = fps
        self.own = {name: f for name, f in features.items() if f.dtype != "video"}
        self.videos = [name for name in features if name not in self.own]
        self.features = {**features, **STANDARD_FEATURES}
        self.schema = data_schema(self.features)
        self.tasks: dict[str, int] = {}
        self.rows: list[dict[str, Any]] = []
        self.statistics: list[dict[str, dict[str, np.ndarray]]] = []
        self.frames = 0
        self.file_number = -1

    def write(
        self, episodes: Iterable[tuple[Mapping[str, Column], str]], robot: str | None
    ) -> None:
        with ExitStack() as opened:
            sink = writer = None
            for columns, task in episodes:
                if sink is None or writer is None or sink.tell() >= FILE_MEGABYTES * 2**20:
                    opened.close()
                    sink, writer = self._next_file(opened)
                writer.write_table(self._episode(columns, task))
        if not self.rows:
            raise InputError(f"{self.target}: no episodes to write, expected at least one; add one")
        self._write_meta(robot)

    def _next_file(self, opened: ExitStack) -> tuple[pa.OSFile, pq.ParquetWriter]:
        self.file_number += 1
        chunk, number = divmod(self.file_number, FILES_A_CHUNK)
        file = self.folder / DATA_PATH.format(chunk_index=chunk, file_index=number)
        file.parent.mkdir(parents=True, exist_ok=True)
        sink = opened.enter_context(pa.OSFile(str(file), "wb"))
        # Byte-stream-split gathers the bytes of like weight, which makes smooth floats compress.
        encodings: dict[str, Any] = {
            "use_dictionary": [name for name, f in self.features.items() if f.dtype == "int64"],
            "use_byte_stream_split": float_leaves(self.features),
        }
        writer = pq.ParquetWriter(sink, self.schema, **encodings, **_COMPRESSION)
        return sink, opened.enter_context(writer)

    def _episode(self, columns: Mapping[str, Column], task: str) -> pa.Table:
        """The table of the next episode, after noting where it goes and its statistics."""
        number, values = len(self.rows), self._checked(columns)
        length = len(next(iter(values.values())))
        steps = np.arange(length, dtype=np.int64)[:, None]
        task_index = self.tasks.setdefault(task, len(self.tasks))
        values |= {
            "timestamp": (steps / self.fps).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full_like(steps, number),
            "index": steps + self.frames,
            "task_index": np.full_like(steps, task_index),
        }
        chunk, file = divmod(self.file_number, FILES_A_CHUNK)
        self.rows.append(
            {
                "task": task,
                "length": length,
                "data/chunk_index": chunk,
                "data/file_index": file,
                "dataset_from_index": self.frames,
                "dataset_to_index": self.frames + length,
            }
        )
        self.statistics.append({name: episode_statistics(x) for name, x in values.items()})
        for key in self.videos:
            self._take_video(key, columns[key], number, length)
        self.frames += length
        return data_table(self.schema, values)

    def _take_video(self, key: str, clip: Column, number: int, length: int) -> None:
        """Move an episode's video to its place: a file of its own."""
        if not isinstance(clip, EncodedClip) or clip.length != length:
            raise InputError(
                f"{self.target}: episode {number}, column {show(key)} is not a video of {length} frames, "
                "which its other columns have; encode each frame once"
            )
        chunk, file_number = divmod(number, FILES_A_CHUNK)
        where = {f"videos/{key}/chunk_index": chunk, f"videos/{key}/file_index": file_number}
        times = {
            f"videos/{key}/from_timestamp": 0.0,
            f"videos/{key}/to_timestamp": length / self.fps,
        }
        self.rows[-1] |= where | times
        self.statistics[-1][key] = clip.statistics
        path = VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file_number)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(clip.file, self.folder / path)

    def _checked(self, columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
        """The columns in the dtypes of the features; `InputError` where they do not fit."""
        where = f"{self.target}: episode {len(self.rows)}"
        if set(columns) != {*self.own, *self.videos}:
            raise InputError(
                f"{where} has the columns {show_all(sorted(columns))}, expected "
                f"{show_all(sorted([*self.own, *self.videos]))}; make features and columns agree"
            )
        values = {
            name: _fitting(f"{where}, column {show(name)}", feature, np.asarray(columns[name]))
            for name, feature in self.own.items()
        }
        lengths = sorted({len(array) for array in values.values()})
        if len(lengths) != 1 or lengths == [0]:
            raise InputError(
                f"{where} has columns of {show(lengths)} frames, expected one number of at least 1 "
                f"for all; cut them to one length"
            )
        return values

    def _write_meta(self, robot: str | None) -> None:
        combined = {
            name: as_lists(
                combined_statistics([row[name] for row in self.statistics]),
                video=name in self.videos,
            )
            for name in self.features
        }
        rows = [
            {name: as_lists(row[name], video=name in self.videos) for name in row}
            for row in self.statistics
        ]
        episodes = self.folder / EPISODES_PATH
        episodes.parent.mkdir(parents=True)
        table = episodes_table(self.rows, rows, self.features)
        pq.write_table(table, episodes, **_COMPRESSION)
        tasks = tasks_table(list(self.tasks))
        pq.write_table(tasks, self.folder / "meta/tasks.parquet", **_COMPRESSION)
        info = info_json(
            robot=robot,
            fps=self.fps,
            features=self.features,
            episodes=len(self.rows),
            frames=self.frames,
            tasks=len(self.tasks),
        )
        for name, content in (("info", info), ("stats", combined)):
            text = json.dumps(content, indent=4, ensure_ascii=False)
            (self.folder / f"meta/{name}.json").write_text(text, encoding="utf-8")


def _fitting(where: str, feature: Feature, array: np.ndarray) -> np.ndarray:
    """`array` in the dtype of `feature`, of which it must have the kind and the shape."""
    if array.shape[1:] != feature.shape or array.ndim == 0:
        raise InputError(
            f"{where} has shape {array.shape}, expected (length, {feature.width}); reshape it"
        )
    if not np.can_cast(array.dtype, feature.dtype, casting="same_kind"):
        raise InputError(f"{where} is {array.dtype}, expected {feature.dtype}; convert it")
    with np.errstate(over="ignore"):
        array = array.astype(feature.dtype)
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise InputError(
            f"{where} is not finite at frame {bad[0]}, expected finite numbers; repair it"
        )
    return array
