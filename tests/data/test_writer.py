"""The writer, held field by field to the folder that the lerobot package wrote."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from gyrax._errors import InputError
from gyrax.data.lerobot import writer
from gyrax.data.lerobot.folder import open_folder
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder

THEIRS = Path(__file__).parent / "fixtures" / "so100_tiny_v30"
KEYS = ("observation.state", "action")
FILES = (
    "data/chunk-000/file-000.parquet",
    "meta/episodes/chunk-000/file-000.parquet",
    "meta/info.json",
    "meta/stats.json",
    "meta/tasks.parquet",
)
DATA, EPISODES, INFO, STATS, TASKS = FILES
EXACT = ("min", "max", "count")
FEATURES = {"action": Feature("float32", (2,), ("x", "y")), "gear": Feature("int64", (1,), None)}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's states and actions, written anew."""
    folder = open_folder(THEIRS)
    path = tmp_path_factory.mktemp("writer") / "ours"
    write_folder(
        path,
        robot=folder.robot,
        fps=folder.fps,
        features={key: folder.features[key] for key in KEYS},
        episodes=((folder.read(e.index, KEYS), e.tasks[0]) for e in folder.episodes),
    )
    return path


def read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def test_files(ours: Path):
    found = sorted(path.relative_to(ours).as_posix() for path in ours.rglob("*") if path.is_file())
    assert found == sorted(FILES)
    assert [path.name for path in ours.parent.iterdir()] == ["ours"]


def test_info(ours: Path):
    theirs = read_json(THEIRS / INFO)
    videos = [name for name, value in theirs["features"].items() if value["dtype"] == "video"]
    assert len(videos) == 2
    for name in videos:
        del theirs["features"][name]
    found = read_json(ours / INFO)
    assert found == theirs
    assert list(found) == list(theirs)
    assert list(found["features"]) == list(theirs["features"])
    assert type(found["fps"]) is int


def test_data(ours: Path):
    mine, theirs = pq.ParquetFile(ours / DATA), pq.ParquetFile(THEIRS / DATA)
    assert mine.schema_arrow.equals(theirs.schema_arrow)
    assert mine.schema.equals(theirs.schema)
    assert mine.num_row_groups == theirs.num_row_groups == 3
    for group in range(3):
        assert mine.read_row_group(group).equals(theirs.read_row_group(group))
    found, expected = (json.loads(f.schema_arrow.metadata[b"huggingface"]) for f in (mine, theirs))
    assert found["info"] == expected["info"]
    assert list(found) == list(expected)
    assert len(found["fingerprint"]) == len(expected["fingerprint"])


def test_floats_are_split_by_byte(ours: Path):
    encodings = pq.ParquetFile(ours / DATA).metadata.row_group(0).column(0).encodings
    assert "BYTE_STREAM_SPLIT" in encodings


def test_tasks(ours: Path):
    mine, theirs = pq.read_table(ours / TASKS), pq.read_table(THEIRS / TASKS)
    assert mine.equals(theirs)
    found, expected = (json.loads(t.schema.metadata[b"pandas"]) for t in (mine, theirs))
    # Those two say which program wrote the file.
    assert {**found, "creator": 0, "pandas_version": 0} == {
        **expected,
        "creator": 0,
        "pandas_version": 0,
    }


def test_episodes(ours: Path):
    mine, theirs = pq.read_table(ours / EPISODES), pq.read_table(THEIRS / EPISODES)
    kept = [name for name in theirs.column_names if "images" not in name]
    theirs = theirs.select(kept)
    assert mine.schema.equals(theirs.schema)
    for name in kept:
        if not name.startswith("stats/") or name.endswith(EXACT):
            found, expected = mine[name].to_pylist(), theirs[name].to_pylist()
            close = name.startswith("stats/timestamp")  # ours are of the stored float32 values
            assert np.allclose(found, expected) if close else found == expected
        elif name.endswith(("mean", "std")):
            found, expected = (np.array(table[name].to_pylist()) for table in (mine, theirs))
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_stats(ours: Path):
    mine, theirs = read_json(ours / STATS), read_json(THEIRS / STATS)
    assert set(mine) == {name for name in theirs if "images" not in name}
    for name, found in mine.items():
        assert list(found) == list(theirs[name])
        for key in (*EXACT, "mean", "std"):
            np.testing.assert_allclose(found[key], theirs[name][key], rtol=1e-5, atol=1e-6)
        for key in EXACT:
            assert [type(v) for v in found[key]] == [type(v) for v in theirs[name][key]]
        for key in ("q01", "q10", "q50", "q90", "q99"):
            assert np.shape(found[key]) == np.shape(theirs[name][key])


def test_statistics_are_those_of_all_frames(ours: Path):
    folder, mine = open_folder(ours), read_json(ours / STATS)["action"]
    episodes = [folder.read(i, ["action"])["action"].astype(np.float64) for i in range(3)]
    frames = np.concatenate(episodes)
    np.testing.assert_allclose(mine["mean"], frames.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mine["std"], frames.std(axis=0), rtol=1e-12)
    rows = pq.read_table(ours / EPISODES)
    for key, level in (("q01", 0.01), ("q50", 0.5), ("q99", 0.99)):
        expected = [np.quantile(values, level, axis=0) for values in episodes]
        np.testing.assert_allclose(rows[f"stats/action/{key}"].to_pylist(), expected)
        weights = np.array([24, 31, 38])[:, None] / 93
        np.testing.assert_allclose(mine[key], (weights * expected).sum(axis=0))


def test_round_trip(ours: Path):
    mine, theirs = open_folder(ours), open_folder(THEIRS)
    assert mine.tasks == theirs.tasks
    for mine_episode, their_episode in zip(mine.episodes, theirs.episodes, strict=True):
        assert mine_episode.tasks == their_episode.tasks
        found, expected = (f.read(mine_episode.index, KEYS) for f in (mine, theirs))
        assert all(np.array_equal(found[key], expected[key]) for key in KEYS)


def columns(frames: int = 3, **changes: Any) -> dict[str, np.ndarray]:
    action = np.arange(2 * frames, dtype=np.float32).reshape(frames, 2)
    return {"action": action, "gear": np.arange(frames)[:, None], **changes}


def write(path: Path, *episodes: tuple[dict[str, np.ndarray], str], **changes: Any) -> None:
    options = {"robot": None, "fps": 12.5, "features": FEATURES, **changes}
    write_folder(path, episodes=episodes or [(columns(), "t")], **options)


def test_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "FILE_MEGABYTES", 0)
    monkeypatch.setattr(writer, "FILES_A_CHUNK", 2)
    write(tmp_path / "new", *((columns(frames), f"task {frames % 2}") for frames in (1, 2, 3)))
    files = sorted((tmp_path / "new/data").glob("*/*"))
    names = [file.relative_to(tmp_path / "new/data").as_posix() for file in files]
    assert names == [
        "chunk-000/file-000.parquet",
        "chunk-000/file-001.parquet",
        "chunk-001/file-000.parquet",
    ]
    folder = open_folder(tmp_path / "new")
    assert (folder.fps, folder.robot, folder.frames) == (12.5, None, 6)
    assert [episode.tasks for episode in folder.episodes] == [("task 1",), ("task 0",), ("task 1",)]
    last = folder.read(2, ["gear", "action", "index", "timestamp"])
    assert last["gear"].tolist() == [[0], [1], [2]]
    assert last["action"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert last["index"].tolist() == [[3], [4], [5]]
    assert np.allclose(last["timestamp"][:, 0], [0, 0.08, 0.16])


def test_an_empty_folder_may_be_there(tmp_path: Path):
    write(tmp_path)
    assert open_folder(tmp_path).frames == 3


def test_a_taken_folder_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="not an empty folder"):
        write(tmp_path)
    with pytest.raises(InputError, match="not an empty folder"):
        write(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_nothing_is_left_of_a_failed_write(tmp_path: Path):
    def failing() -> Iterator[tuple[dict[str, np.ndarray], str]]:
        yield columns(), "t"
        assert len(list(tmp_path.iterdir())) == 1  # the partial folder, under another name
        assert not (tmp_path / "new").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "new", robot=None, fps=30, features=FEATURES, episodes=failing())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "new")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": np.zeros((4, 2), np.float32)}, r"columns of \[3, 4\] frames"),
        ({"action": np.zeros((3, 3), np.float32)}, r"'action' has shape \(3, 3\)"),
        ({"action": np.zeros(3, np.float32)}, r"'action' has shape \(3,\)"),
        ({"action": np.array(0.0)}, r"'action' has shape \(\)"),
        ({"action": np.array([[0, 0], [0, np.nan], [0, 0]])}, "not finite at frame 1"),
        ({"action": np.full((3, 2), 1e300)}, "not finite at frame 0"),
        ({"gear": np.full((3, 1), 0.5)}, "'gear' is float64, expected int64"),
        ({"other": np.zeros((3, 1))}, "has the columns 'action', 'gear', 'other', expected"),
    ],
)
def test_episodes_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=f"{tmp_path / 'new'}: episode 1.*{message}") as caught:
        write(tmp_path / "new", (columns(), "t"), (columns(**changes), "t"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": {}}, "no features"),
        ({"features": {"timestamp": Feature("float32", (1,), None)}}, "'timestamp' is not free"),
        ({"features": {"a/b": Feature("float32", (1,), None)}}, "'a/b' is not free"),
        ({"features": {"a": Feature("float64", (1,), None)}}, "float32 or int64 vector"),
        ({"features": {"a": Feature("float32", (2, 2), None)}}, "float32 or int64 vector"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": float("nan")}, "fps is nan"),
    ],
)
def test_unusable_features(tmp_path: Path, changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "new", **changes)
    assert list(tmp_path.iterdir()) == []


def test_no_episodes(tmp_path: Path):
    with pytest.raises(InputError, match="new: no episodes to write"):
        write_folder(tmp_path / "new", robot=None, fps=30, features=FEATURES, episodes=[])
    assert list(tmp_path.iterdir()) == []
