"""The parquet tables and JSON texts of a v3.0 folder, as the lerobot package has them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.video_writer import CODEC
from gyrax.data.lerobot.writer_stats import STATISTICS

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
FILES_A_CHUNK = 1000
FILE_MEGABYTES = 100
VIDEO_MEGABYTES = 200

STANDARD_FEATURES = {
    "timestamp": Feature("float32", (1,), None),
    "frame_index": Feature("int64", (1,), None),
    "episode_index": Feature("int64", (1,), None),
    "index": Feature("int64", (1,), None),
    "task_index": Feature("int64", (1,), None),
}
"""The features that every folder has after its own."""

_ARROW = {"float32": pa.float32(), "int64": pa.int64()}


def data_schema(features: Mapping[str, Feature]) -> pa.Schema:
    """Columns of the data files, with the description that the `datasets` package looks for."""
    described: dict[str, Any] = {}
    fields = []
    for name, feature in features.items():
        if feature.dtype == "video":  # in files of their own
            continue
        value, kind = {"dtype": feature.dtype, "_type": "Value"}, _ARROW[feature.dtype]
        if feature.shape == (1,):  # vectors of one component are stored as plain numbers
            described[name] = value
            fields.append(pa.field(name, kind))
        else:
            described[name] = {"feature": value, "length": feature.width, "_type": "List"}
            fields.append(pa.field(name, pa.list_(pa.field("element", kind), feature.width)))
    content = json.dumps(described)
    info = {
        "info": {"features": described},
        "fingerprint": hashlib.sha256(content.encode()).hexdigest()[:16],
    }
    return pa.schema(fields, metadata={"huggingface": json.dumps(info)})


def data_table(schema: pa.Schema, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """One episode's (frames, width) columns as a table of `schema`."""
    arrays = []
    for field in schema:
        flat = pa.array(np.ascontiguousarray(columns[field.name]).reshape(-1))
        fixed = pa.types.is_fixed_size_list(field.type)
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type) if fixed else flat)
    return pa.Table.from_arrays(arrays, schema=schema)


def float_leaves(features: Mapping[str, Feature]) -> list[str]:
    """Parquet paths of the float columns, for their encoding."""
    return [
        name if feature.shape == (1,) else f"{name}.list.element"
        for name, feature in features.items()
        if feature.dtype == "float32"
    ]


def tasks_table(tasks: Sequence[str]) -> pa.Table:
    """`meta/tasks.parquet`: the task texts are the unnamed index of a pandas frame."""
    text = {"name": None, "field_name": "__index_level_0__", "pandas_type": "object"}
    number = {"name": "task_index", "field_name": "task_index", "pandas_type": "int64"}
    header = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "str"}
    pandas = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [{**header, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {**number, "numpy_type": "int64", "metadata": None},
            {**text, "numpy_type": "str", "metadata": None},
        ],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": None,
    }
    columns = {
        "task_index": pa.array(range(len(tasks)), pa.int64()),
        "__index_level_0__": pa.array(tasks, pa.large_string()),
    }
    return pa.table(columns).replace_schema_metadata({"pandas": json.dumps(pandas)})


def episodes_table(
    rows: Sequence[Mapping[str, Any]],
    statistics: Sequence[Mapping[str, Mapping[str, list[Any]]]],
    features: Mapping[str, Feature],
) -> pa.Table:
    """`meta/episodes`: one row an episode, where its frames are and their statistics."""
    integers = ("length", "data/chunk_index", "data/file_index")
    integers += ("dataset_from_index", "dataset_to_index")
    columns: dict[str, pa.Array] = {
        "episode_index": pa.array(range(len(rows)), pa.int64()),
        "tasks": pa.array([[row["task"]] for row in rows], pa.list_(pa.string())),
    }
    kinds = dict.fromkeys(integers, pa.int64())
    for key in (name for name, feature in features.items() if feature.dtype == "video"):
        kinds |= {f"videos/{key}/{name}": pa.int64() for name in ("chunk_index", "file_index")}
        kinds |= {f"videos/{key}/{end}_timestamp": pa.float64() for end in ("from", "to")}
    for name, kind in kinds.items():
        columns[name] = pa.array([row[name] for row in rows], kind)
    for feature_name, feature in features.items():
        whole = ("min", "max", "count") if feature.dtype == "int64" else ("count",)
        for name in STATISTICS:
            kind = pa.int64() if name in whole else pa.float64()
            if feature.dtype == "video" and name != "count":
                kind = pa.list_(pa.list_(kind))
            values = [row[feature_name][name] for row in statistics]
            columns[f"stats/{feature_name}/{name}"] = pa.array(values, pa.list_(kind))
    for name in ("meta/episodes/chunk_index", "meta/episodes/file_index"):
        columns[name] = pa.array(np.zeros(len(rows), np.int64))
    return pa.table(columns)


def info_json(
    *,
    robot: str | None,
    fps: float | int,
    features: Mapping[str, Feature],
    episodes: int,
    frames: int,
    tasks: int,
) -> dict[str, Any]:
    """The content of `meta/info.json`."""
    return {
        "codebase_version": "v3.0",
        "robot_type": robot,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": FILES_A_CHUNK,
        "data_files_size_in_mb": FILE_MEGABYTES,
        "video_files_size_in_mb": VIDEO_MEGABYTES,
        "fps": int(fps) if float(fps).is_integer() else fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": {
            name: {
                "dtype": feature.dtype,
                "shape": list(feature.shape),
                "names": None if feature.names is None else list(feature.names),
                **({"info": _video_info(feature, fps)} if feature.dtype == "video" else {}),
            }
            for name, feature in features.items()
        },
    }


def _video_info(feature: Feature, fps: float | int) -> dict[str, Any]:
    height, width, channels = feature.shape
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": CODEC,
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "video.fps": int(fps) if float(fps).is_integer() else fps,
        "video.channels": channels,
        "has_audio": False,
    }
