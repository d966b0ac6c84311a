"""The reader against the folders that the lerobot package wrote, versions 3.0 and 2.1."""

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gyrax._errors import InputError
from gyrax.data.lerobot.folder import open_folder
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder

KEYS = ("observation.state", "action")
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")

# pyarrow crashes if a pool dies before its last buffer: this one lives as long as the process.
COUNTING = pa.proxy_memory_pool(pa.default_memory_pool())


def test_metadata(tiny: Path):
    folder = open_folder(tiny)
    assert folder.version == ("v3.0" if tiny.name.endswith("v30") else "v2.1")
    assert (folder.path, folder.robot, folder.fps, folder.frames) == (tiny, "so100", 30.0, 93)
    assert [episode.length for episode in folder.episodes] == [24, 31, 38]
    assert [episode.index for episode in folder.episodes] == [0, 1, 2]
    assert folder.tasks == ("Pick up the cube.", "Push the cube to the left.")
    assert [episode.tasks for episode in folder.episodes] == [
        (folder.tasks[0],),
        (folder.tasks[1],),
        (folder.tasks[0],),
    ]


def test_features(tiny: Path):
    features = open_folder(tiny).features
    pattern = "{}.pos" if tiny.name.endswith("v30") else "main_{}"
    names = tuple(pattern.format(joint) for joint in JOINTS)
    for key in KEYS:
        assert features[key] == Feature("float32", (6,), names)
    assert features["observation.images.top"].dtype == "video"
    assert features["observation.images.top"].shape == (96, 128, 3)
    assert features["timestamp"] == Feature("float32", (1,), None)


def test_values_are_those_of_the_parquet_rows(tiny: Path):
    tables = [pq.read_table(file) for file in sorted(tiny.glob("data/*/*.parquet"))]
    rows = pa.concat_tables([table.replace_schema_metadata() for table in tables]).to_pylist()
    folder = open_folder(tiny)
    for episode in (2, 0, 1, 1):  # in any order, and again
        found = folder.read(episode, [*KEYS, "timestamp", "task_index"])
        mine = [row for row in rows if row["episode_index"] == episode]
        for key, values in found.items():
            expected = np.array([row[key] for row in mine]).reshape(len(mine), -1)
            assert np.array_equal(values, expected)
            assert values.dtype == (np.int64 if key == "task_index" else np.float32)


def test_index_of_numpy_is_an_index(tiny: Path):
    assert open_folder(tiny).read(np.int64(2), ["action"])["action"].shape == (38, 6)


@pytest.mark.parametrize("episode", [-1, 3])
def test_unknown_episode(tiny: Path, episode: int):
    with pytest.raises(InputError, match=f"no episode {episode}, .* 0 to 2"):
        open_folder(tiny).read(episode, ["action"])


@pytest.mark.parametrize("key", ["actions", "observation.images.top", "observation"])
def test_unknown_key_names_those_there_are(tiny: Path, key: str):
    with pytest.raises(
        InputError, match=f"{key}.*numeric features: 'observation.state', 'action', 't"
    ):
        open_folder(tiny).read(0, [key])


def _rewrite(root: Path, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    file = root / "data/chunk-000/file-000.parquet"
    pq.write_table(change(pq.read_table(file)), file, **options)


@pytest.mark.parametrize("rows", [7, 24, 1000])
def test_row_groups_need_not_be_episodes(copy_of: Callable[[str], Path], rows: int):
    root = copy_of("v30")
    before = [open_folder(root).read(i, KEYS) for i in range(3)]
    _rewrite(root, lambda table: table, row_group_size=rows)
    folder = open_folder(root)
    for i in (1, 0, 2):
        after = folder.read(i, KEYS)
        assert all(np.array_equal(before[i][key], after[key]) for key in KEYS)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 6)],
    ids=str,
)
def test_kinds_of_lists(copy_of: Callable[[str], Path], kind: pa.DataType):
    root = copy_of("v30")
    before = open_folder(root).read(1, ["action"])["action"]

    def cast(table: pa.Table) -> pa.Table:
        values = pa.array(table["action"].to_pylist(), kind)
        return table.set_column(table.schema.get_field_index("action"), "action", values)

    _rewrite(root, cast)
    after = open_folder(root).read(1, ["action"])["action"]
    assert after.dtype == np.float32
    assert np.array_equal(before, after)


def test_matrix_features_are_flattened(copy_of: Callable[[str], Path]):
    root = copy_of("v30")
    before = open_folder(root).read(1, ["action"])["action"]
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["action"].update(shape=[2, 3], names=None)
    (root / "meta/info.json").write_text(json.dumps(info))

    def fold(table: pa.Table) -> pa.Table:
        rows = [[row[:3], row[3:]] for row in table["action"].to_pylist()]
        return table.set_column(1, "action", pa.array(rows, pa.list_(pa.list_(pa.float32()))))

    _rewrite(root, fold)
    assert np.array_equal(open_folder(root).read(1, ["action"])["action"], before)

    def puncture(table: pa.Table) -> pa.Table:
        rows = table["action"].to_pylist()
        rows[30][1][2] = None
        return table.set_column(1, "action", pa.array(rows, table.schema.field("action").type))

    _rewrite(root, puncture)
    with pytest.raises(InputError, match=r"'action' is empty \(null\) at frame 6,"):
        open_folder(root).read(1, ["action"])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"motors": list("abcdef")}, tuple("abcdef")),
        ({name: i for i, name in enumerate("abcdef")}, tuple("abcdef")),
        (["state"], ("state",)),  # one name for the whole vector, as some published folders have
        (["a", "b"], None),
        ([1, 2, 3, 4, 5, 6], None),
    ],
)
def test_forms_of_names(copy_of: Callable[[str], Path], names: object, expected: object):
    root = copy_of("v30")
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["action"]["names"] = names
    (root / "meta/info.json").write_text(json.dumps(info))
    assert open_folder(root).features["action"].names == expected


def test_index_column_of_the_tasks_may_be_named(copy_of: Callable[[str], Path]):
    root = copy_of("v30")
    table = pq.read_table(root / "meta/tasks.parquet").rename_columns(["task_index", "task"])
    pq.write_table(table.take([1, 0]), root / "meta/tasks.parquet")
    assert open_folder(root).tasks == ("Pick up the cube.", "Push the cube to the left.")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 episodes of 400 frames, 20,000 in all: 10 MB of noise."""
    path = tmp_path_factory.mktemp("large") / "folder"
    rng = np.random.default_rng(0)
    features = {"action": Feature("float32", (128,), None)}
    columns = ({"action": rng.normal(size=(400, 128)).astype(np.float32)} for _ in range(50))
    write_folder(path, robot=None, fps=50, features=features, episodes=((c, "t") for c in columns))
    return path


def test_opening_is_quick(large: Path):
    start = time.perf_counter()
    folder = open_folder(large)
    assert time.perf_counter() - start < 1.0
    assert (len(folder.episodes), folder.frames) == (50, 20_000)


def test_reading_streams(large: Path):
    size = (large / "data/chunk-000/file-000.parquet").stat().st_size
    usual = pa.default_memory_pool()
    pa.set_memory_pool(COUNTING)
    tracemalloc.start()
    try:
        folder = open_folder(large)
        for episode in folder.episodes:
            folder.read(episode.index, ["action"])
        peak = (COUNTING.max_memory() or 0) + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    assert size > 8e6
    assert 200_000 < peak < size / 4
