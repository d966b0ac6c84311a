"""A run folder holds the old run or the new one, whenever the process that trains in it is killed."""

import json
import os
import sys
from itertools import count

import pytest

from gyrax.runtime.files import written_whole
from gyrax.runtime.locks import LOCK, locked
from gyrax.training.checkpoint import Checkpoint, Meta
from gyrax.training.log import read_log, write_log
from gyrax.training.presets import make_settings
from gyrax.training.run_folder import NEW, RunFolder, check_run_folder, settle
from gyrax.training.trackers import TENSORBOARD_FOLDER


class Killed(BaseException):
    pass


class Killer:
    """Ends every change of files under a folder from the n-th on, as if the process were gone."""

    def __init__(self):
        self.folder, self.left = None, 0
        sys.addaudithook(self)

    def __call__(self, event, args):
        if self.folder is None:
            return
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir") or (
            event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if changes and (event in ("os.remove", "os.rmdir") or str(args[0]).startswith(self.folder)):
            self.left -= 1
            if self.left < 0:
                raise Killed

    def run(self, folder, left, action):
        """Whether the action came to its end."""
        self.folder, self.left = str(folder), left
        try:
            action()
            return True
        except Killed:
            return False
        finally:
            self.folder = None


KILLER = Killer()


def put_checkpoint(folder, name, text):
    """Whole or not at all, as Orbax does it."""
    partial = folder / f"{name}.orbax-checkpoint-tmp"
    (partial / "arrays").mkdir(parents=True)
    (partial / "arrays" / "a").write_text(text)
    partial.rename(folder / name)


def old_run(run):
    run.mkdir()
    for name in ("p1_epoch_00000", "p1_epoch_00001", "p2_epoch_00000"):
        put_checkpoint(run, name, "old")
    (run / "config.json").write_text('"old"')
    epochs = [(1, 0), (1, 1), (2, 0)]
    write_log(run / "log.jsonl", [{"phase": p, "epoch": e, "loss": 0.0} for p, e in epochs])
    (run / "report.html").write_text("old")
    (run / "figures").mkdir()
    (run / "notes.txt").write_text("the user's own")


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def resumed_at(run, name):
    phase, epochs = int(name[1]), int(name[-5:]) + 1
    meta = Meta(make_settings("default"), phase, epochs, 8, "", "", [], [], [], 1, 1, "")
    return Checkpoint(run / name, meta, {})


def train_on(run, resumed, name):
    """What a training does: two checkpoints, of which the first is like one that may be there."""
    folder = RunFolder(run, resumed)
    folder.begin({"run": "new"})
    for i in (0, 1):
        with folder.log.open("a") as stream:
            stream.write(json.dumps({"phase": int(name[1]), "epoch": i, "loss": 1.0}) + "\n")
        put_checkpoint(folder.new, f"{name}{i}", "new")
        folder.publish()
    folder.end()


@pytest.mark.parametrize("resume", [None, "p1_epoch_00001"])
def test_a_replaced_run_is_there_until_the_new_one_has_a_checkpoint(tmp_path, resume):
    """Killed before each single change of a file in turn."""
    name = "p1_epoch_0000" if resume is None else "p2_epoch_0000"
    kept = [] if resume is None else ["p1_epoch_00000", "p1_epoch_00001"]
    states = set()
    for n in count():
        run = tmp_path / f"run{n}"
        old_run(run)
        before = contents(run)
        resumed = None if resume is None else resumed_at(run, resume)
        done = KILLER.run(run, n, lambda run=run, resumed=resumed: train_on(run, resumed, name))
        if resume is not None:
            assert contents(run)[f"{resume}/arrays/a"] == "old"
        settle(run)
        assert not (run / NEW).exists()
        after = contents(run)
        if after == before:
            states.add("old")
            continue
        states.add("new")
        assert after["notes.txt"] == "the user's own" and "report.html" not in after
        assert json.loads(after["config.json"]) == {"run": "new"}
        found = {file.split("/")[0]: text for file, text in after.items() if "arrays" in file}
        new = [each for each, text in found.items() if text == "new"]
        assert new in ([f"{name}0"], [f"{name}0", f"{name}1"])
        assert sorted(found.keys() - set(new)) == kept
        records, damaged = read_log(run / "log.jsonl")
        epochs = [(r["phase"], r["epoch"]) for r in records]
        own = [(int(name[1]), i) for i in (0, 1)]
        older = [(1, 0), (1, 1)] if resume else []
        assert epochs in (older + own[:1], older + own) and not damaged
        if done:
            assert len(new) == 2 and n > 20
            break
    assert states == {"old", "new"}


def test_a_run_killed_before_its_first_checkpoint_is_free(tmp_path):
    run = tmp_path / "run"
    RunFolder(run).begin({})
    (run / NEW / "p1_epoch_00000.orbax-checkpoint-tmp").mkdir()
    (run / TENSORBOARD_FOLDER).mkdir()  # begun with the first epoch
    check_run_folder(run, None, overwrite=False)
    settle(run)
    assert [file.name for file in run.iterdir()] == [TENSORBOARD_FOLDER]


def test_what_a_tracker_showed_of_a_replaced_run_goes_with_it(tmp_path):
    """And not what it shows of the new one."""
    put_checkpoint(tmp_path, "p1_epoch_00000", "old")
    events = tmp_path / TENSORBOARD_FOLDER
    events.mkdir()
    (events / "old").write_text("")
    folder = RunFolder(tmp_path)
    folder.begin({})
    (events / "new").write_text("")
    put_checkpoint(folder.new, "p1_epoch_00000", "new")
    folder.end()
    assert [file.name for file in events.iterdir()] == ["new"]


def test_a_checkpoint_that_was_whole_when_the_process_was_killed_gets_its_place(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({})
    put_checkpoint(folder.new, "p1_epoch_00000", "new")
    folder.publish()
    put_checkpoint(folder.new, "p1_epoch_00007", "new")
    settle(tmp_path)
    assert contents(tmp_path)["p1_epoch_00007/arrays/a"] == "new"


def test_what_a_killed_process_was_writing_is_cleared(tmp_path):
    """Such as the figure, after the last checkpoint: nobody would write it again."""
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "figure.png") as partial:
        left = partial.name
        raise KeyboardInterrupt
    (tmp_path / left).write_text("half")
    (tmp_path / LOCK).write_text("process 1 on another")
    (tmp_path / ".of-the-user.partial").write_text("")
    settle(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [".of-the-user.partial"]


def test_a_run_that_is_being_written_is_not_settled(tmp_path):
    RunFolder(tmp_path).begin({})
    with locked(tmp_path), pytest.raises(ValueError, match="is writing in it"):
        settle(tmp_path)
    assert (tmp_path / NEW).exists()


def test_a_log_is_read_as_far_as_it_can_be(tmp_path):
    """A torn last line, damage, and an epoch that is there twice."""
    file = tmp_path / "log.jsonl"
    assert read_log(file) == ([], 0)
    record = {"phase": 1, "epoch": 0, "loss": 2.0}
    lines = [record, record | {"epoch": 1}, record | {"loss": 1.0}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    damaged = [
        "[1]",
        '{"phase": 1}',
        '{"phase": 1, "epoch": 0, "loss": NaN}',
        "\x00",
        '{"phase": 1, "ep',
    ]
    file.write_text(text + "\n".join(damaged))
    assert read_log(file) == ([lines[2], lines[1]], len(damaged))
