"""Trackers get what the log gets, offline; those that are not installed are refused in one line."""

import json
import sys

import pytest
from rich.console import Console

from commandline import FLAGS, done, refused
from gyrax.training import trackers
from gyrax.training.trackers import TRACKERS, make_tracker, tracked

EPOCHS = [(1, 0, {"loss": 3.0}), (1, 1, {"loss": 2.0}), (2, 0, {"loss": 1.5, "val_geodesic": 0.5})]


def show(name, run):
    pytest.importorskip(TRACKERS[name][1])
    with tracked(make_tracker(name), run, {"training": {"batch_size": 32}}, Console()) as track:
        assert not run.exists()  # nothing is written before the first epoch
        for epoch in EPOCHS:
            track(*epoch)


def test_tensorboard(tmp_path):
    show("tensorboard", tmp_path / "run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / trackers.TENSORBOARD_FOLDER)).Reload()
    loaded = {
        tag: [(e.step, round(float(e.tensor_proto.float_val[0]), 5)) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }
    assert loaded == {
        "phase1/loss": [(0, 3.0), (1, 2.0)],
        "phase2/loss": [(0, 1.5)],
        "phase2/val_geodesic": [(0, 0.5)],
    }


def test_wandb(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "kept").mkdir()
    show("wandb", tmp_path / "run")
    sys.modules["wandb"].teardown()  # its service writes what it still holds
    (file,) = (tmp_path / "kept").rglob("run-*.wandb")
    content = file.read_bytes()
    for text in (b"phase1/loss", b"phase2/val_geodesic", b"phase2/epoch", b"batch_size"):
        assert text in content


def test_trackio(tmp_path, monkeypatch):
    pytest.importorskip("trackio")
    from trackio import utils
    from trackio.sqlite_storage import SQLiteStorage

    for module in [m for n, m in sys.modules.items() if n.split(".")[0] == "trackio"]:
        if hasattr(module, "TRACKIO_DIR"):  # read from the environment at import
            monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "kept")
    assert str(utils.TRACKIO_DIR).startswith(str(tmp_path))
    show("trackio", tmp_path / "run")
    rows = SQLiteStorage.get_logs("gyrax", "run")
    assert [r["phase1/loss"] for r in rows if "phase1/loss" in r] == [3.0, 2.0]
    assert [r["phase2/epoch"] for r in rows if "phase2/epoch" in r] == [0]


class Recorder(trackers.AbstractTracker):
    """Keeps what it is told."""

    told: list

    def start(self, run, settings):
        type(self).told = [(run.name, settings["training"]["batch_size"])]

    def epoch(self, phase, epoch, metrics):
        self.told.append({"phase": phase, "epoch": epoch, **metrics})

    def finish(self):
        self.told.append("finished")


def test_train_tells_a_tracker_what_it_logs(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(TRACKERS, "recorder", (Recorder, "json"))
    out = tmp_path / "run"
    flags = [*FLAGS, "--data", tiny_folder, "--out", out, "--phase", 1]
    done("train", *flags, "--track", "recorder")
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert Recorder.told == [("run", 32), *log, "finished"] and len(log) == 2


class Failing(Recorder):
    """Loses its connection after an epoch."""

    def epoch(self, phase, epoch, metrics):
        super().epoch(phase, epoch, metrics)
        if epoch == 1:
            raise ConnectionError("reset by peer")


def test_a_tracker_that_fails_ends_no_training(tmp_path):
    console = Console(record=True, width=200)
    with tracked(Failing(json), tmp_path, {"training": {"batch_size": 1}}, console) as track:
        for epoch in range(4):
            track(1, epoch, {"loss": 1.0})
    assert [told["epoch"] for told in Failing.told[1:]] == [0, 1]
    assert console.export_text().count("--track: stopped (ConnectionError: reset by peer)") == 1


class Broken(Recorder):
    """Has no account."""

    def start(self, run, settings):
        raise RuntimeError("no account\nsecond line")


def test_refused(tiny_folder, tmp_path, monkeypatch):
    flags = ["train", *FLAGS, "--data", tiny_folder, "--out", tmp_path / "run", "--track"]
    refused(*flags, "mlflow", says="--track is 'mlflow'; give one of wandb, tensorboard, trackio")
    for name, (_, module) in TRACKERS.items():
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
        refused(*flags, name, says=rf"{name} is not installed; pip install 'gyrax\[{name}\]'")
    monkeypatch.setitem(TRACKERS, "broken", (Broken, "json"))
    refused(*flags, "broken", says=r"cannot start \(RuntimeError: no account\)")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_its_name_is_not_a_library(tmp_path, monkeypatch):
    """W&B leaves a folder `wandb` where it ran, which Python imports as an empty package."""
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(trackers.InputError, match="not installed"):
        make_tracker("wandb")
    sys.modules.pop("wandb", None)
