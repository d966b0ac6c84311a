"""Feature caches: every way one can be broken gives one clear line, and the format is as documented."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cli
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from gyrax._errors import InputError
from gyrax.data.features.cache import open_cache
from gyrax.data.frames import load_frames
from tiny import TINY, write_tiny

META, FILE = "meta.json", "episodes/episode_000001.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set `f` and its cache `c`."""
    root = tmp_path_factory.mktemp("cache")
    write_tiny(root / "f")
    words = ["extract", "--dataset", root / "f", "--backbone", "state", "--out", root / "c"]
    assert CliRunner().invoke(cli.app, [str(word) for word in words]).exit_code == 0
    return root


def test_the_format(made: Path):
    """One parquet file an episode, whose columns any reader understands."""
    table = pq.read_table(made / "c" / FILE)
    assert table.schema.names == ["features", "state", "action", "task_index"]
    assert [table.schema.field(n).type.list_size for n in table.schema.names[:3]] == [8, 6, 6]
    assert table.num_rows == 24
    meta = json.loads((made / "c" / META).read_text())
    assert meta["backbone"] == "state" and meta["feature_width"] == 8 == len(meta["columns"])
    assert meta["columns"][-1] == "observation.environment_state.y"
    assert len(list((made / "c" / "episodes").iterdir())) == 6


def meta(**changes: Any) -> Callable[[Path], Any]:
    def edit(cache: Path) -> None:
        content = json.loads((cache / META).read_text())
        content.update(changes)
        kept = {name: value for name, value in content.items() if value is not None}
        (cache / META).write_text(json.dumps(kept))

    return edit


def write(file: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    return lambda cache: (cache / file).write_bytes(change((cache / file).read_bytes()))


def table(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], Any]:
    def edit(cache: Path) -> None:
        old = pq.read_table(cache / FILE)
        pq.write_table(change(old), cache / FILE)

    return edit


def features(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], Any]:
    def changed(old: pa.Table) -> pa.Table:
        values = np.stack(old["features"].to_pylist()).astype(np.float32)
        new = change(values)
        kind = pa.list_(pa.float32(), new.shape[1])
        field = pa.field("features", kind)
        return old.set_column(0, field, pa.array(list(new), kind))

    return table(changed)


def put_nan(values: np.ndarray) -> np.ndarray:
    values[5, 3] = np.nan
    return values


def other_episode(cache: Path) -> None:
    shutil.copy(cache / "episodes/episode_000002.parquet", cache / FILE)


def to_folder(cache: Path) -> None:
    (cache / FILE).unlink()
    (cache / FILE).mkdir()


REMOVE = r"remove this file and run python cli.py extract --dataset \S+ --backbone state --out \S+$"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda c: (c / META).unlink(), "holds no meta/info.json, expected a LeRobot folder"),
        (write(META, lambda b: b""), "meta.json: broken JSON.*extract the features again"),
        (write(META, lambda b: b[: len(b) // 2]), "meta.json: broken JSON"),
        (write(META, lambda b: b"\xff" + b), "meta.json: byte 0 is not UTF-8"),
        (write(META, lambda b: b"[]"), r"format is \[\], expected 'gyrax feature cache, version 1'"),
        (meta(format="gyrax feature cache, version 2"), "version 2', expected 'gyrax"),
        (meta(backbone=None), "backbone is missing, expected a text"),
        (meta(fps=0), "fps is 0, expected a number above 0"),
        (meta(lengths=[24, 24, -24, 24, 24, 24]), "lengths is .*expected a list of positive integers"),
        (meta(lengths="24"), "lengths is '24'"),
        (meta(lengths=[24] * 3), "episodes is 6, expected 1 to 3"),
        (meta(episodes=-1), "episodes is -1, expected 1 to 6"),
        (meta(episodes=0), "episodes is 0, expected 1 to 6"),
        (meta(episodes=True), "episodes is True"),
        (meta(feature_width=9), "feature_width is 9, but columns lists 8"),
        (meta(columns=["x"]), "mean has 8 values, but columns lists 1"),
        (meta(scale=["1"] * 8), "scale is .*expected a list of numbers"),
        (meta(scale=[float("nan")] * 8), "scale is .*expected a list of numbers"),
        (meta(settings=[]), "settings is .., expected an object"),
        (meta(action_columns=[], feature_width=8), "action_columns is empty"),
        (meta(arguments=[3]), "arguments is .3., expected a list of texts"),
        (meta(mean=[0.0] * 8), "is not episode 0 of the features that meta.json describes; remove"),
        (lambda c: shutil.rmtree(c / "episodes"), "holds 0 of 6 episodes, .* is 0; complete it with"),
        (lambda c: (c / FILE).unlink(), "holds 5 of 6 episodes, the first that is missing is 1; comp"),
        (to_folder, "holds 5 of 6 episodes"),
        (write(FILE, lambda b: b""), f"000001.parquet: truncated or broken.*{REMOVE}"),
        (write(FILE, lambda b: b[:-100]), f"000001.parquet: truncated or broken.*{REMOVE}"),
        (write(FILE, lambda b: b[:60] + bytes([b[60] ^ 255]) + b[61:]), "000001.parquet: trunc"),
        (write(FILE, lambda b: b"PAR1 and no more"), "000001.parquet: truncated or broken"),
        (other_episode, f"000001.parquet: is not episode 1 of the features.*{REMOVE}"),
        (table(lambda t: t.replace_schema_metadata({})), "000001.parquet: is not episode 1"),
        (table(lambda t: t.drop_columns("action")), "000001.parquet: has the columns"),
        (table(lambda t: t.slice(1)), f"holds 23 frames, expected 24; {REMOVE}"),
        (features(put_nan), f"features is not finite at frame 5, expected finite numbers; {REMOVE}"),
        (features(lambda v: v[:, :7]), "000001.parquet: has the columns"),
    ],
)  # fmt: skip
def test_one_line_for_each_corruption(
    made: Path, tmp_path: Path, edit: Callable[[Path], Any], says: str
):
    cache = shutil.copytree(made / "c", tmp_path / "c")
    load_frames(cache)
    edit(cache)
    small = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    words = ["train", "--data", str(cache), "--out", str(tmp_path / "run"), *small]
    result = CliRunner().invoke(cli.app, words)
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2, (result.output, result.exception)
    assert len(lines) == 1 and lines[0].startswith(f"error: {cache}") and lines[0].isprintable()
    assert re.search(says, lines[0]), lines[0]
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_has_changed(made: Path, tmp_path: Path):
    """Refused where the data set is still in its place and another; used where it is gone."""
    shutil.copytree(made, tmp_path / "x")
    cache = tmp_path / "x" / "c"
    meta(dataset=str(tmp_path / "x" / "f"))(cache)
    load_frames(cache)
    file = next((tmp_path / "x/f/data").rglob("*.parquet"))
    table = pq.read_table(file)
    values = np.stack(table["action"].to_pylist()).astype(np.float32)
    values[3, 2] += 9
    field = table.schema.field("action")
    at = table.schema.get_field_index("action")
    pq.write_table(table.set_column(at, field, pa.array(list(values), field.type)), file)
    with pytest.raises(InputError, match=r"was made from .*, which has changed since; extract the"):
        load_frames(cache)
    shutil.rmtree(tmp_path / "x" / "f")
    assert load_frames(cache).episodes == 6


def test_flipped_bytes_are_noticed_or_harmless(made: Path, tmp_path: Path):
    cache = shutil.copytree(made / "c", tmp_path / "c")
    before = open_cache(cache).read(1)
    whole, rng = (cache / FILE).read_bytes(), np.random.default_rng(0)
    noticed = 0
    for _ in range(200):
        broken = np.frombuffer(whole, np.uint8).copy()
        broken[rng.integers(len(broken))] ^= rng.integers(1, 256, dtype=np.uint8)
        (cache / FILE).write_bytes(broken.tobytes())
        try:
            after = open_cache(cache).read(1)
        except InputError:
            noticed += 1
        else:
            assert all(np.array_equal(before[name], after[name]) for name in before)
    assert noticed > 100
