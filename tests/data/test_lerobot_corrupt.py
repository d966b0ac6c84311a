"""Every way a folder can be broken gives one clear line, never another kind of error."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from folder_edits import (
    INFO,
    Edit,
    at,
    column,
    feature,
    info,
    lines,
    one_line,
    read_all,
    remove,
    table,
    text,
    to_folder,
    truncate,
)

TASKS, EPISODES = "meta/tasks.parquet", "meta/episodes.jsonl"
TABLE = "meta/episodes/chunk-000/file-000.parquet"
DATA = "data/chunk-000/file-000.parquet"
OLD_DATA = "data/chunk-000/episode_000001.parquet"


NAN, INF = float("nan"), float("inf")
ROW = [0.0] * 6

BOTH: dict[str, tuple[Edit, str]] = {
    "no folder": (lambda root: shutil.rmtree(root), "no such folder"),
    "empty folder": (lambda root: (shutil.rmtree(root), root.mkdir()), "holds no meta/info.json"),
    "no info": (remove(INFO), "holds no meta/info.json"),
    "info is a folder": (to_folder(INFO), "holds no meta/info.json"),
    "no data": (remove("data"), "parquet: missing"),
    "info empty": (text(INFO, ""), "info.json: broken JSON"),
    "info no JSON": (text(INFO, "{'fps': 30}"), "info.json: broken JSON"),
    "info not UTF-8": (text(INFO, b'{"fps": "\xff"}'), "info.json: byte 9 is not UTF-8"),
    "info nested deeply": (text(INFO, "[" * 100_000), "info.json: broken JSON"),
    "info a list": (text(INFO, "[]"), "codebase_version is missing"),
    "version v2.0": (info(codebase_version="v2.0"), "'v2.0', expected v3.0 or v2.1"),
    "version missing": (info(codebase_version=None), "codebase_version is missing"),
    "version a number": (info(codebase_version=3.0), "codebase_version is 3.0"),
    "version a list": (info(codebase_version=["v3.0"]), r"codebase_version is \['v3.0'\]"),
    "fps missing": (info(fps=None), "fps is missing"),
    "fps zero": (info(fps=0), "fps is 0"),
    "fps a text": (info(fps="30"), "fps is '30'"),
    "fps a truth": (info(fps=True), "fps is True"),
    "fps not a number": (info(fps=NAN), "fps is nan"),
    "robot a number": (info(robot_type=7), "robot_type is 7"),
    "features missing": (info(features=None), "features is missing"),
    "features a list": (info(features=[]), r"features is \[\]"),
    "feature a text": (info(features={"action": "x"}), r"features\['action'\] is 'x'"),
    "feature hostile": (info(features={"a\nb\ud800": 1}), r"features\['a\\nb\\ud800'\] is 1"),
    "dtype missing": (feature(dtype=None), "dtype is missing"),
    "dtype wrong": (feature(dtype="int64"), "'action' holds float, but info.json says int64"),
    "dtype a text's": (feature(dtype="string"), "only a string feature 'action'"),
    "shape a number": (feature(shape=6), "shape is 6"),
    "shape negative": (feature(shape=[-6]), "shape is -6"),
    "shape a fraction": (feature(shape=[6.0]), "shape is 6.0"),
    "shape beyond memory": (
        feature(shape=[10**6, 10**6]),
        "shape is .1000000, 1000000., expected at most",
    ),
    "shape beyond counting": (feature(shape=[10**30]), "shape is .10*., expected at most"),
    "shape too wide": (feature(shape=[7]), "'action' has 6 values at frame 0, expected 7"),
    "shape a matrix": (feature(shape=[6, 1]), "'action' is .*, expected 6 values"),
    "episodes miscounted": (info(total_episodes=4), "total_episodes is 4, but meta/ lists 3"),
    "frames miscounted": (info(total_frames=94), "total_frames is 94, but meta/ lists 93"),
    "tasks miscounted": (info(total_tasks=1), "total_tasks is 1, but meta/ lists 2"),
    "episodes negative": (info(total_episodes=-3), "total_episodes is -3"),
    "frames a text": (info(total_frames="93"), "total_frames is '93'"),
    "chunks of nothing": (info(chunks_size=0), "chunks_size is 0"),
    "path missing": (info(data_path=None), "data_path is missing"),
    "path unknown": (info(data_path="data/{name}.parquet"), "expected only the fields"),
    "path attribute": (info(data_path="{episode_index.real}{file_index.real}"), "only the fields"),
    "path broken": (info(data_path="data/{"), "no valid template"),
    "path constant": (info(data_path="data/all.parquet"), "expected it to hold"),
}

V30: dict[str, tuple[Edit, str]] = {
    "no tasks": (remove(TASKS), "tasks.parquet: missing"),
    "no episodes": (remove("meta/episodes"), "meta/episodes: missing"),
    "episodes empty": (remove(TABLE), "meta/episodes: missing"),
    "no data file": (remove(DATA), "file-000.parquet: missing"),
    "data a folder": (to_folder(DATA), "file-000.parquet: missing"),
    "tasks a folder": (to_folder(TASKS), "tasks.parquet: truncated or broken"),
    **{
        f"{file} cut to {part}": (truncate(file, part), f"{file}: truncated or broken")
        for file in (TASKS, TABLE, DATA)
        for part in (0.0, 0.5, 0.99)
    },
    "escape": (
        info(data_path="../../x/{chunk_index}-{file_index}.parquet"),
        "stays inside the folder",
    ),
    "escape inside": (
        info(data_path="data/../../{chunk_index}-{file_index}"),
        "stays inside the folder",
    ),
    "escape to the root": (info(data_path="/x/{chunk_index}-{file_index}"), "stays inside"),
    "escape to a drive": (info(data_path="C:x/{chunk_index}{file_index}"), "stays inside"),
    "escape by backslash": (info(data_path="..\\{chunk_index}{file_index}"), "stays inside"),
    "path unprintable": (info(data_path="{chunk_index}\n{file_index}"), "stays inside"),
    "path huge": (info(data_path="{chunk_index}/{file_index:0999999d}"), "expected only the"),
    "path of text": (info(data_path="{chunk_index}/{file_index!r}"), "expected only the fields"),
    "path too long": (info(data_path="x" * 5000 + "{file_index}"), "missing, expected a parquet"),
    "episode fields of v2.1": (
        info(data_path="data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"),
        "{chunk_index}, {file_index}",
    ),
    "tasks without text": (
        table(TASKS, lambda old: old.drop_columns("__index_level_0__")),
        "no column '__index_level_0__', only 'task_index'",
    ),
    "tasks without index": (
        table(TASKS, lambda old: old.drop_columns("task_index")),
        "no column 'task_index', only '__index_level_0__'",
    ),
    "task index negative": (column(TASKS, "task_index", at(0, -1)), "task_index is -1"),
    "task index twice": (column(TASKS, "task_index", at(0, 1)), r"task_index is \[1, 1\]"),
    "task null": (column(TASKS, "__index_level_0__", at(0, None)), "expected a list of texts"),
    "task a number": (
        column(TASKS, "__index_level_0__", lambda _: [1, 2], pa.int64()),
        r"\[1, 2\], expected a list of texts",
    ),
    "task unknown": (column(TABLE, "tasks", at(1, ["Fly."])), "episode 1 has the task 'Fly.'"),
    "tasks of episode null": (column(TABLE, "tasks", at(1, None)), "tasks of episode 1 is missing"),
    "episodes without length": (
        table(TABLE, lambda old: old.drop_columns("length")),
        "no column 'length', only 'episode_index', 'tasks'",
    ),
    "episode index negative": (column(TABLE, "episode_index", at(0, -1)), "is -1, expected an int"),
    "episode index twice": (column(TABLE, "episode_index", at(1, 0)), "is 0, expected 1"),
    "length zero": (column(TABLE, "length", at(0, 0)), "length of episode 0 is 0"),
    "length too long": (column(TABLE, "length", at(0, 25)), "to_index of episode 0 is 24"),
    "length a fraction": (
        column(TABLE, "length", lambda old: old, pa.float64()),
        "length of episode 0 is 24.0",
    ),
    "length a text": (
        column(TABLE, "length", lambda old: [str(value) for value in old], pa.string()),
        "length of episode 0 is '24'",
    ),
    "length null": (column(TABLE, "length", at(2, None)), "length of episode 2 is missing"),
    "from index wrong": (column(TABLE, "dataset_from_index", at(1, 25)), "is 25, expected 24"),
    "to index negative": (column(TABLE, "dataset_to_index", at(1, -55)), "is -55"),
    "file index negative": (column(TABLE, "data/file_index", at(1, -1)), "is -1"),
    "file index wrong": (column(TABLE, "data/file_index", at(2, 1)), "file-001.parquet: missing"),
    "files out of order": (
        column(TABLE, "data/file_index", at(1, 1)),
        "episode 2 is in file-000.parquet, .* in the order of the episodes",
    ),
    "rows missing": (table(DATA, lambda old: old.slice(0, 92)), "holds 92 rows, .* up to 93"),
    "action missing": (
        table(DATA, lambda old: old.drop_columns("action")),
        "no column 'action', only 'observation.state', 'timestamp'",
    ),
    "frame index missing": (
        table(DATA, lambda old: old.drop_columns("frame_index")),
        "no column 'frame_index', only",
    ),
    "action twice": (
        table(DATA, lambda old: old.append_column("action", old["action"])),
        "several columns 'action'",
    ),
    "episode column wrong": (
        column(DATA, "episode_index", at(30, 2)),
        "'episode_index' is 2 at row 30, expected 1",
    ),
    "frame column wrong": (
        column(DATA, "frame_index", at(30, 5)),
        "'frame_index' is 5 at row 30, expected 6",
    ),
    "frame column null": (column(DATA, "frame_index", at(30, None)), "null.* at frame 6"),
    "frame column a text": (
        column(DATA, "frame_index", lambda old: [str(value) for value in old], pa.string()),
        "'frame_index' holds string",
    ),
    "nan": (column(DATA, "action", at(30, [0.0, NAN, *ROW[2:]])), "'action' is nan at frame 6"),
    "infinity": (column(DATA, "action", at(92, [INF, *ROW[1:]])), "'action' is inf at frame 37"),
    "beyond float32": (
        column(DATA, "action", at(0, [1e300, *ROW[1:]]), pa.list_(pa.float64())),
        "'action' is inf at frame 0",
    ),
    "null row": (
        column(DATA, "action", at(30, None), pa.list_(pa.float32())),
        "'action' is empty .null. at frame 6",
    ),
    "null value": (column(DATA, "action", at(30, [None, *ROW[1:]])), "null. at frame 6"),
    "short row": (
        column(DATA, "action", at(30, ROW[1:]), pa.list_(pa.float32())),
        "'action' has 5 values at frame 6, expected 6",
    ),
    "action a number": (
        column(DATA, "action", lambda old: [0.0] * len(old), pa.float32()),
        "'action' is float, expected 6 values",
    ),
    "action of texts": (
        column(DATA, "action", lambda old: [["x"] * 6] * len(old), pa.list_(pa.string())),
        "'action' holds string, but info.json says float32",
    ),
    "action of integers": (
        column(DATA, "action", lambda old: [[1] * 6] * len(old), pa.list_(pa.int64())),
        "'action' holds int64, but info.json says float32",
    ),
}

V21: dict[str, tuple[Edit, str]] = {
    "no tasks": (remove("meta/tasks.jsonl"), "tasks.jsonl: missing"),
    "no episodes": (remove(EPISODES), "episodes.jsonl: missing"),
    "episodes a folder": (to_folder(EPISODES), "episodes.jsonl: cannot be read"),
    "episodes empty": (text(EPISODES, ""), "total_episodes is 3, but meta/ lists 0"),
    "episodes not UTF-8": (text(EPISODES, b"\xfe\xff"), "episodes.jsonl: byte 0 is not UTF-8"),
    "episodes broken": (lines(EPISODES, at(1, "{")), "broken JSON in line 2"),
    "episodes of numbers": (lines(EPISODES, at(1, "7")), "line 2 is 7, expected a JSON object"),
    "episode index missing": (lines(EPISODES, at(0, "{}")), "episode_index in line 1 is missing"),
    "episode index negative": (lines(EPISODES, at(0, '{"episode_index": -1}')), "is -1"),
    "episode missing": (lines(EPISODES, lambda old: old[1:]), "line 1 is 1, expected 0"),
    "length a text": (
        lines(EPISODES, at(0, '{"episode_index": 0, "tasks": [], "length": "24"}')),
        "length in line 1 is '24'",
    ),
    "tasks a text": (
        lines(EPISODES, at(0, '{"episode_index": 0, "tasks": "x", "length": 24}')),
        "tasks in line 1 is 'x'",
    ),
    "length wrong": (
        lines(EPISODES, lambda old: [line.replace("24", "23") for line in old]),
        "total_frames is 93, but meta/ lists 92",
    ),
    "lengths exchanged": (
        lines(EPISODES, lambda old: [line.replace("31", "30").replace("24", "25") for line in old]),
        "episode_000000.parquet: holds 24 rows, .* 25",
    ),
    "task text missing": (lines("meta/tasks.jsonl", at(1, '{"task_index": 1}')), "is missing"),
    "task index wrong": (lines("meta/tasks.jsonl", lambda old: old[1:]), "is 1, expected 0"),
    "escape": (info(data_path="../../x/{episode_index}.parquet"), "stays inside the folder"),
    "path unprintable": (info(data_path="{episode_index}\ud800"), "stays inside"),
    "no data file": (remove(OLD_DATA), "episode_000001.parquet: missing"),
    "data truncated": (truncate(OLD_DATA, 0.7), "episode_000001.parquet: truncated or broken"),
    "data of another episode": (column(OLD_DATA, "episode_index", at(3, 0)), "is 0 at row 3"),
    "rows exchanged": (column(OLD_DATA, "frame_index", at(0, 1)), "is 1 at row 0, expected 0"),
    "nan": (column(OLD_DATA, "action", at(3, [NAN] * 6)), "000001.parquet.*'action' is nan.* 3,"),
}

CASES = [
    pytest.param(version, edit, message, id=f"{version}: {name}")
    for version, cases in (("v30", BOTH | V30), ("v21", BOTH | V21))
    for name, (edit, message) in cases.items()
]


@pytest.mark.parametrize(("version", "edit", "message"), CASES)
def test_one_line_for_each_corruption(
    copy_of: Callable[[str], Path], version: str, edit: Edit, message: str
):
    root = copy_of(version)
    read_all(root)
    edit(root)
    found = one_line(root)
    assert found.startswith(str(root))
    assert re.search(message, found)


def test_path_of_the_folder_too_long(tmp_path: Path):
    assert "no such folder" in one_line(tmp_path / ("x" * 5000))
