"""`extract --backbone state`: what it writes, going on after interruptions, and training on it."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import cli
import numpy as np
import pytest
from typer.testing import CliRunner

from gyrax.data.features.cache import FeatureCache, open_cache
from gyrax.data.features.state import StateBackbone
from gyrax.data.frames import load_frames
from gyrax.data.lerobot.folder import open_folder
from gyrax.data.windows import make_windows
from gyrax.runtime.files import partial_name
from tiny import write_tiny

FIXTURES = Path(__file__).parent / "fixtures"


def call(*words: Any) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def extract(dataset: Path, out: Path, *flags: Any) -> Any:
    return call("extract", "--dataset", dataset, "--backbone", "state", "--out", out, *flags)


def done(result: Any) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def refused(result: Any, says: str) -> None:
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2, (result.output, result.exception)
    assert len(lines) == 1 and re.search(says, lines[0]), lines


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_features_are_the_standardised_states(tiny: Path, tmp_path: Path):
    assert "3 episodes, 93 frames, 6 features" in done(extract(tiny, tmp_path / "c"))
    cache, folder = open_cache(tmp_path / "c"), open_folder(tiny)
    rows = [folder.read(e, ["observation.state", "action", "task_index"]) for e in range(3)]
    states = np.concatenate([row["observation.state"] for row in rows]).astype(np.float64)
    expected = (states - states.mean(0)) / states.std(0)
    found = [cache.read(e) for e in range(3)]
    np.testing.assert_allclose(
        np.concatenate([f["features"] for f in found]), expected, rtol=1e-5, atol=1e-6
    )
    for row, columns in zip(rows, found, strict=True):
        assert np.array_equal(columns["state"], row["observation.state"])
        assert np.array_equal(columns["action"], row["action"])
        assert np.array_equal(columns["task_index"], row["task_index"][:, 0])
        assert columns["features"].dtype == np.float32
    assert cache.meta.tasks == folder.tasks and cache.meta.fps == 30
    assert cache.meta.columns == load_frames(tiny).columns


def test_a_cache_and_its_folder_give_the_same_frames(tmp_path: Path):
    folder = write_tiny(tmp_path / "f")
    done(extract(folder, tmp_path / "c", "--batch-size", 23))
    a, b = load_frames(folder), load_frames(tmp_path / "c")
    np.testing.assert_allclose(a.features, b.features, atol=1e-6)
    assert np.array_equal(a.actions, b.actions) and np.array_equal(a.offsets, b.offsets)
    assert a.columns == b.columns and a.features.shape[1] == 8
    windows = [make_windows(f, np.arange(6), 2, 3, padded=True).index for f in (a, b)]
    assert np.array_equal(*windows)


def test_a_column_that_never_changes_is_only_centred(tmp_path: Path):
    folder = write_tiny(tmp_path / "f")
    opened = open_folder(folder)
    read = opened.read

    def held(episode: Any, keys: Any, **options: Any) -> dict[str, np.ndarray]:
        columns = read(episode, keys, **options)
        columns["observation.state"][:, 2] = 1.5
        return columns

    object.__setattr__(opened, "read", held)
    backbone = StateBackbone(opened, 100)
    values = np.concatenate(list(backbone.blocks(0)))
    assert np.all(values[:, 2] == 0) and backbone.scale[2] == 1.0
    assert np.all(np.abs(np.delete(values, 2, 1)).max(0) > 0.5)


def test_stopped_anywhere_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stopped before each episode, and in the middle of writing one: the end is the same."""
    folder = write_tiny(tmp_path / "f")
    done(extract(folder, tmp_path / "whole"))
    cache = tmp_path / "c"
    write = FeatureCache.write
    for stop in range(6):

        def stopping(self: FeatureCache, episode: int, columns: Any, stop: int = stop) -> None:
            if episode == stop:
                partial = partial_name(self.file(episode))
                partial.parent.mkdir(exist_ok=True)
                partial.write_bytes(b"PAR1 half")
                raise KeyboardInterrupt
            write(self, episode, columns)

        with monkeypatch.context() as patched:
            patched.setattr(FeatureCache, "write", stopping)
            result = extract(folder, cache)
        assert result.exit_code == 130 and f"{stop} episodes are kept" in result.stdout
        train = call("train", "--data", cache, "--out", tmp_path / "run")
        refused(train, rf"holds {stop} of 6 episodes.* complete it with python cli.py extract")
        assert not (tmp_path / "run").exists()
        done(extract(folder, cache, "--max-episodes", stop + 1))
        assert load_frames(cache).episodes == stop + 1
    done(extract(folder, cache))
    whole, resumed = content(tmp_path / "whole"), content(cache)
    assert whole == resumed


def test_a_broken_episode_is_extracted_again(tmp_path: Path):
    folder, cache = write_tiny(tmp_path / "f"), tmp_path / "c"
    done(extract(folder, cache))
    before, file = content(cache), cache / "episodes/episode_000003.parquet"
    file.write_bytes(file.read_bytes()[:200])
    printed = done(extract(folder, cache))
    assert "extracted again" in printed and "24 frames in" in printed
    assert content(cache) == before


def test_killed_before_the_cache_said_what_it_is(tmp_path: Path):
    folder, cache = write_tiny(tmp_path / "f"), tmp_path / "c"
    cache.mkdir()
    partial_name(cache / "meta.json").write_text("{")
    done(extract(folder, cache))
    assert load_frames(cache).episodes == 6 and "meta.json" in content(cache)
    assert not partial_name(cache / "meta.json").exists()


def test_max_episodes(tmp_path: Path):
    folder, cache = write_tiny(tmp_path / "f"), tmp_path / "c"
    assert "2 episodes, 48 frames" in done(extract(folder, cache, "--max-episodes", 2))
    assert load_frames(cache).episodes == 2
    assert "2 of 6 episodes are there already" in done(extract(folder, cache))
    assert load_frames(cache).episodes == 6
    assert "6 episodes, 144 frames" in done(extract(folder, cache, "--max-episodes", 99))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--backbone", "resnet"], "--backbone is 'resnet'; give one of state, smolvla"),
        (["--max-episodes", -1], "--max-episodes is -1; give 0 or more"),
        (["--batch-size", 0], "--batch-size is 0; give 1 or more"),
        (["--device", "tpu"], "--device is 'tpu'; give one of auto, cpu, cuda"),
        (["--device", "cuda"], "--device cuda is for --backbone smolvla"),
        (["--camera", "a=b"], "--camera is for --backbone smolvla"),
        (["--weights", "x"], "--weights is for --backbone smolvla"),
        (["--dataset", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_flags(tiny: Path, tmp_path: Path, flags: list[Any], says: str):
    refused(extract(tiny, tmp_path / "c", *flags), says)
    assert not (tmp_path / "c").exists()


def test_smolvla_needs_its_packages(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "lerobot", None)
    result = extract(tiny, tmp_path / "c", "--backbone", "smolvla", "--camera", "camera1=top")
    refused(result, r"needs the lerobot package .*pip install -e '\.\[vla\]'")
    assert not (tmp_path / "c").exists()


def test_nothing_of_others_is_touched(tmp_path: Path):
    folder = write_tiny(tmp_path / "f")
    other = write_tiny(tmp_path / "g", seed=1)
    (tmp_path / "thesis.txt").write_text("precious")
    refused(extract(folder, tmp_path / "thesis.txt"), "is a file; give a folder with --out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("precious")
    refused(extract(folder, tmp_path / "full"), "is not empty and no feature cache")
    refused(extract(folder, folder), "is not empty and no feature cache")
    done(extract(folder, tmp_path / "c"))
    before = content(tmp_path)
    refused(
        extract(other, tmp_path / "c"),
        r"holds features of other settings \(data set or its state: ",
    )
    assert content(tmp_path) == before


def test_evaluation_takes_a_cache(trained, tiny_folder: Path, tmp_path: Path):
    """With the numbers of its folder. (The README's commands train on a cache.)"""
    cache, checkpoint = tmp_path / "c", tmp_path / "p3_epoch_00001"
    done(extract(tiny_folder, cache))
    shutil.copytree(trained.out / checkpoint.name, checkpoint)
    forecast_only = ("--no-baselines", "--long", 0, "--json")
    reports = [
        json.loads(
            done(call("evaluate", "--checkpoint", checkpoint, "--data", data, *forecast_only))
        )
        for data in (cache, tiny_folder)
    ]
    np.testing.assert_allclose(*(r["model"]["geodesic"] for r in reports), rtol=1e-3)
