"""`inspect`: what it says of the fixtures, and that it sees each kind of trouble."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cli
import numpy as np
import pyarrow.parquet as pq
import pytest
from folder_edits import column, info, remove, table, truncate
from typer.testing import CliRunner

from gyrax.data.inspection import inspect_folder
from gyrax.data.lerobot.folder import DEFAULT_FOLDER, open_folder
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder
from gyrax.data.moments import Moments

DATA = "data/chunk-000/file-000.parquet"
KEYS = ["version", "robot", "fps", "episodes", "frames", "tasks", "features", "warnings"]


def inspect(root: Path, *flags: str) -> Any:
    return CliRunner().invoke(cli.app, ["inspect", str(root), *flags])


def warnings(root: Path) -> list[str]:
    return inspect_folder(open_folder(root))["warnings"]


def test_json(tiny: Path):
    result = inspect(tiny, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert list(report) == KEYS
    assert report["version"] == ("v3.0" if tiny.name.endswith("v30") else "v2.1")
    assert (report["robot"], report["fps"], report["episodes"], report["frames"]) == (
        "so100",
        30,
        3,
        93,
    )
    assert report["tasks"] == ["Pick up the cube.", "Push the cube to the left."]
    tables = [pq.read_table(file) for file in sorted(tiny.glob("data/*/*.parquet"))]
    for key in ("observation.state", "action"):
        rows = np.concatenate([np.stack(part[key].to_pylist()) for part in tables])
        feature = report["features"][key]
        assert (feature["dtype"], feature["shape"]) == ("float32", [6])
        assert feature["names"] == list(open_folder(tiny).features[key].names or ())
        for name in ("min", "max", "mean", "std"):
            expected = getattr(np, name)(rows.astype(np.float64), axis=0)
            np.testing.assert_allclose(feature[name], expected, rtol=1e-6)
    assert report["features"]["observation.images.top"] == {
        "dtype": "video",
        "shape": [96, 128, 3],
        "names": ["height", "width", "channels"],
    }
    assert len(report["warnings"]) == 1 and "1 of 3 episodes are shorter" in report["warnings"][0]


def test_table(tiny: Path):
    result = inspect(tiny)
    assert result.exit_code == 0
    joint = "shoulder_pan.pos" if tiny.name.endswith("v30") else "main_shoulder_pan"
    for shown in (joint, "Pick up the cube.", "observation.images.wrist", "warning: 1 of 3"):
        assert shown in result.stdout
    assert "\x1b" not in result.stdout


def test_the_default_set_has_no_warnings():
    assert warnings(DEFAULT_FOLDER) == []
    assert "no warnings" in inspect(DEFAULT_FOLDER).stdout


def set_at(row: int, component: int, value: float) -> Callable[[list[Any]], list[Any]]:
    def change(rows: list[Any]) -> list[Any]:
        rows[row][component] = value
        return rows

    return change


def hold(component: int) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: [[*r[:component], 0.25, *r[component + 1 :]] for r in rows]


def repeat(rows: list[Any]) -> list[Any]:
    return [*rows[:30], rows[29], *rows[31:]]


def both(first: Callable[[Path], Any], second: Callable[[Path], Any]) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        first(root)
        second(root)

    return edit


NAN = float("nan")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (column(DATA, "action", set_at(30, 1, NAN)),
         r"action: NaN or infinite in 1 of 93 frames \(first in episode 1, frame 6; columns: shoulder_lift"),
        (column(DATA, "observation.state", set_at(92, 0, float("inf"))),
         r"observation.state: NaN or infinite in 1 of .* episode 2, frame 37; columns: shoulder_pan.pos"),
        (column(DATA, "action", hold(2)),
         r"action: constant columns: elbow_flex.pos = 0.25; training leaves these out"),
        (column(DATA, "action", lambda rows: [[0.5] * 6 for _ in rows]),
         r"action: constant columns: .*; training refuses a data set in which no action changes"),
        (column(DATA, "observation.state", lambda rows: [[0.5] * 6 for _ in rows]),
         r"observation.state: constant columns: .*; training refuses .* in which no state changes"),
        (both(column(DATA, "action", repeat), column(DATA, "observation.state", repeat)),
         r"1 of 93 frames repeat the frame before .*episode 1, frame 6"),
        (column(DATA, "timestamp", lambda t: [*t[:40], t[40] + 0.01, *t[41:]]),
         r"timestamps disagree with 30 fps in 1 of 3 .*\(first: episode 1, frame 16: 0.5433 s"),
        (column(DATA, "timestamp", lambda t: [NAN, *t[1:]]),
         r"timestamps disagree .*frame 0: nan s, expected 0.0"),
        (remove("videos"), r"observation.images.top: 1 of 1 video files are missing \(first: videos/ob"),
        (both(table(DATA, lambda t: t.drop_columns("action")), lambda root: drop_feature(root, "action")),
         r"there is no action, which training needs"),
    ],
)  # fmt: skip
def test_each_kind_of_trouble(
    tmp_path: Path, tiny_v30: Path, edit: Callable[[Path], Any], says: str
):
    before = warnings(tiny_v30)
    edit(tiny_v30)
    new = [warning for warning in warnings(tiny_v30) if warning not in before]
    assert any(re.match(says, warning) for warning in new), new
    result = inspect(tiny_v30, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["warnings"] == warnings(tiny_v30)


def drop_feature(root: Path, name: str) -> None:
    content = json.loads((root / "meta/info.json").read_text())
    del content["features"][name]
    (root / "meta/info.json").write_text(json.dumps(content))


@pytest.fixture
def tiny_v30(tmp_path: Path) -> Path:
    source = Path(__file__).parent / "fixtures" / "so100_tiny_v30"
    return shutil.copytree(source, tmp_path / "v30")


def test_only_nan(tiny_v30: Path):
    """A column without any number: JSON has null for its statistics."""
    column(DATA, "action", lambda rows: [[NAN, *r[1:]] for r in rows])(tiny_v30)
    report = json.loads(inspect(tiny_v30, "--json").stdout)
    assert report["features"]["action"]["min"][0] is None
    assert inspect(tiny_v30).exit_code == 0


def test_widths_and_few_episodes(tmp_path: Path):
    features = {
        "observation.state": Feature("float32", (7,), None),
        "action": Feature("float32", (6,), None),
    }
    rng = np.random.default_rng(0)
    episodes = [
        {key: rng.normal(size=(60, f.width)).astype(np.float32) for key, f in features.items()}
        for _ in range(2)
    ]
    write_folder(
        tmp_path / "f", robot=None, fps=30, features=features, episodes=((e, "t") for e in episodes)
    )
    assert warnings(tmp_path / "f") == [
        "action has 6 values a frame, observation.state 7",
        "fewer than 3 episodes: too few to train, validate and test on",
    ]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (info(fps="x"), "fps is 'x'"),
        (truncate(DATA, 0.5), "truncated or broken"),
        (info(video_path="../{video_key}{file_index}"), "stays inside the folder"),
    ],
)
def test_unreadable_folders(tiny_v30: Path, edit: Callable[[Path], Any], says: str):
    edit(tiny_v30)
    result = inspect(tiny_v30)
    assert result.exit_code == 2 and result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1 and re.search(says, result.stderr)


def test_no_video_library_is_needed(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert inspect(tiny).exit_code == 0


def test_moments_are_those_of_all_blocks_together():
    rng = np.random.default_rng(0)
    values = 1e3 + rng.normal(size=(500, 3)).astype(np.float32)
    values[7, 1] = NAN
    moments = Moments(3)
    for block in np.split(values, [1, 3, 200]):
        moments.add(block)
    wide = values.astype(np.float64)
    np.testing.assert_allclose(moments.mean, np.nanmean(wide, 0), rtol=1e-12)
    np.testing.assert_allclose(moments.std, np.nanstd(wide, 0), rtol=1e-9)
    np.testing.assert_array_equal(moments.low, np.nanmin(wide, 0))
    np.testing.assert_array_equal(moments.high, np.nanmax(wide, 0))
    assert moments.bad.tolist() == [0, 1, 0]
