"""Training block by block: what an epoch goes over, and going on in the middle of one."""

import json
import os
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from rich.console import Console

from commandline import done
from gyrax._errors import InputError
from gyrax.data.frames import open_frames
from gyrax.data.store import Frames, offsets_of
from gyrax.runtime.signals import asked_to_end
from gyrax.training import trainer
from gyrax.training.blocks import Cut
from gyrax.training.checkpoint import checkpoints_in, open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.presets import make_settings
from gyrax.training.run_folder import settle
from gyrax.training.trainer import Stopped, Trainer
from tiny import TINY

SMALL = TINY | dict(batch_size=8, block_mb=0.0016, wm_servo=0, wm_memory=0, phase2_epochs=2)
"""Two blocks of two of the four training episodes, which are 768 bytes each."""


@pytest.fixture(scope="module")
def store(tiny_folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("packed") / "cache"
    extract = ["extract", "--dataset", tiny_folder, "--backbone", "state", "--out", cache]
    done(*extract, "--pack", "float32")
    return open_frames(cache)


def make_trainer(store, out, resume=None, **changes):
    settings = make_settings("default", SMALL | changes)
    resumed = None if resume is None else open_checkpoint(resume)
    dataset = Dataset.of(store, settings, None if resumed is None else resumed.normaliser)
    return Trainer(settings, dataset, out, Console(quiet=True), resumed)


@pytest.fixture(scope="module")
def straight(store, tmp_path_factory):
    """A run of phases 1 and 2 that nothing stopped."""
    out = tmp_path_factory.mktemp("straight") / "run"
    make_trainer(store, out).train([1, 2])
    return out


def store_of(lengths):
    """Ten features a frame."""
    frames, names = int(np.sum(lengths)), tuple("abcdefghij")
    zeros = np.zeros((frames, 10), np.float32), np.zeros((frames, 1), np.float32)
    return Frames(*zeros, offsets_of(np.asarray(lengths)), names, ("u",), "here")


def test_an_epoch_goes_over_every_episode_once():
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 90, 400)
    cut = Cut.of(store_of(lengths), np.arange(400), lengths - 3, 80_000, (0, 1))
    assert cut.blocks == -(-lengths.sum() * 40 // 80_000) > 8
    frames, samples = cut.room(5)
    for epoch in range(5):
        groups = cut.groups(epoch)
        assert len(groups) == cut.blocks
        np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(400))
        assert all(lengths[g].sum() <= frames for g in groups)
        for block, group in enumerate(groups):
            count = int(cut.samples[group].sum())
            assert cut.least <= count <= samples
            order = cut.order(epoch, block, count)
            assert len(order) == cut.least == len(set(order.tolist())) and order.max() < count
    assert cut.least * cut.blocks > 0.7 * cut.samples.sum()
    first, second = (np.concatenate(cut.groups(epoch)) for epoch in (0, 1))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, np.concatenate(cut.groups(0)))


def test_a_single_huge_episode():
    lengths = np.array([50, 1000, 50])
    with pytest.raises(InputError, match=r"episode 1 has 1000 frames.*use --block-mb 1 or more"):
        Cut.of(store_of(lengths), np.arange(3), lengths, 41_000, (0, 1))


def contents(run):
    """Arrays of every last checkpoint of a phase, and the log without times."""
    records = [json.loads(line) for line in (run / "log.jsonl").open()]
    for record in records:
        del record["seconds"]
    arrays = {}
    for path in (run / "p1_epoch_00001", run / "p2_epoch_00001"):
        arrays |= {f"{path.name}{k}": v for k, v in open_checkpoint(path).arrays.items()}
    return records, arrays


@pytest.mark.parametrize("moment", [1, 3, 5, 7])
def test_going_on_where_the_system_ended_it(store, straight, tmp_path, monkeypatch, moment):
    """Asked to end at every other block: what is there then leads to the same end, to the bit."""
    asked = iter(range(100))

    @contextmanager
    def ending():
        yield lambda: next(asked) == moment - 1

    monkeypatch.setattr(trainer, "asked_to_end", ending)
    run = tmp_path / "run"
    with pytest.raises(Stopped) as stopped:
        make_trainer(store, run).train([1, 2])
    left = stopped.value.path
    phase, epoch = 1 + (moment > 4), (moment - 1) % 4 // 2
    assert left.name == f"p{phase}_part_0000{epoch}00001" and left.is_dir()
    meta = open_checkpoint(run).meta
    assert (meta.epochs, meta.block, meta.blocks) == (epoch, 1, 2)
    make_trainer(store, run, run).train([1, 2][phase - 1 :])
    names = [path.name for path in checkpoints_in(run)]
    assert names == [path.name for path in checkpoints_in(straight)]
    (records, arrays), (wanted, expected) = contents(run), contents(straight)
    assert records == wanted and arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def test_a_log_begins_with_its_run(store, straight, tmp_path):
    """Though the first checkpoint, after the first block, is there before the first record."""
    run = shutil.copytree(straight, tmp_path / "run")
    make_trainer(store, run).train([1])
    records = [json.loads(line) for line in (run / "log.jsonl").open()]
    assert [(r["phase"], r["epoch"]) for r in records] == [(1, 0), (1, 1)]


def test_other_blocks_in_the_middle_of_an_epoch(store, straight, tmp_path, monkeypatch):
    run = shutil.copytree(straight, tmp_path / "run")
    meta = open_checkpoint(run).meta._replace(phase=2, epochs=1, block=1, blocks=3)
    go_on = make_trainer(store, run, run)
    go_on.resumed = type(go_on.resumed)(run / "p2_part_0000100001", meta, go_on.resumed.arrays)
    with pytest.raises(InputError, match=r"middle of an epoch of 3 blocks, which now has 2"):
        go_on.train([2])
    settle(run)
    assert (run / "p2_epoch_00001").is_dir()


def test_blocks_smaller_than_a_batch(store, tmp_path):
    with pytest.raises(InputError, match=r"--block-mb is 0.0016: a block then has 24 samples"):
        make_trainer(store, tmp_path / "run", batch_size=32).train([1])


def test_the_system_asks_once():
    before = signal.getsignal(signal.SIGTERM)
    with asked_to_end() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked()
    assert signal.getsignal(signal.SIGTERM) is before
