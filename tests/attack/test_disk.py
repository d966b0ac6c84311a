"""Disks that are full or read-only, places that cannot be, and two processes in one place."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest
from answers import FLAGS, assert_same, facts_of


def training(data, out, *more):
    return ["train", "--phase", 1, "--data", data, "--out", out, *FLAGS, *more]


@contextmanager
def small_disk(folder, size):
    """A disk of its own that holds so many KiB; where the system does not let us have one, skip."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk of its own can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_loses_nothing(forks, tiny_folder, tmp_path, rng, cases):
    for _ in range(min(cases or 2, 20)):
        size = rng.randrange(4, 3000)
        with small_disk(tmp_path / "disk", size) as disk:
            answer = forks.run(*training(tiny_folder, disk / "run"))
            if answer.code:
                answer.refused()


def test_a_read_only_disk_is_read_and_not_written(forks, tiny_folder, tmp_path, undisturbed):
    with small_disk(tmp_path / "disk", 20_000) as disk:
        shutil.copytree(tiny_folder, disk / "data")
        shutil.copytree(undisturbed[0], disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        before = sorted(disk.rglob("*"))
        resume = ["train", "--resume", disk / "run", "--data", disk / "data", "--phase", 2]
        for command in (training(disk / "data", disk / "new"), resume):
            assert "Read-only file system" in forks.run(*command).refused()
        assert sorted(disk.rglob("*")) == before
        forks.run("inspect", disk / "data").done()
        forks.run(*training(disk / "data", tmp_path / "run")).done()
        facts = [facts_of(run) for run in (tmp_path / "run", undisturbed[0])]
        assert facts[0]["log"] == facts[1]["log"]


def test_a_file_that_cannot_grow_is_one_line(forks, tiny_folder, tmp_path, rng, cases, undisturbed):
    """The run can be gone on with when there is room again."""
    for case in range(min(cases or 2, 50)):
        run = tmp_path / f"run{case}"
        limit = int(10 ** rng.uniform(3, 5.5))  # what is printed goes to files, too
        environment = {"GYRAX_CACHE_DIR": str(tmp_path / "no_room" / "x")}
        (tmp_path / "no_room").touch()
        answer = forks.run(*training(tiny_folder, run), largest_file=limit, environment=environment)
        if answer.code:
            note, line = answer.stderr.strip().splitlines()
            assert answer.code == 2 and note.startswith("note: compiled programs are not kept")
            assert line.startswith("error: "), answer
        if not (run / "p1_epoch_00003").exists():
            again = ["--resume", run] if list(run.glob("p1_epoch_*")) else ["--out", run, *FLAGS]
            forks.run("train", "--phase", 1, "--data", tiny_folder, *again).done()
        assert_same(run, undisturbed[0])


def test_a_cache_that_cannot_be_written_is_one_note(forks, tiny_folder, tmp_path, undisturbed):
    (tmp_path / "file").touch()
    environment = {"GYRAX_CACHE_DIR": str(tmp_path / "file" / "x")}
    answer = forks.run(*training(tiny_folder, tmp_path / "run"), environment=environment).done()
    assert answer.stderr.count("\n") == 1 and "compiled programs are not kept" in answer.stderr
    assert_same(tmp_path / "run", undisturbed[0])


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_places_that_cannot_be(forks, tiny_folder, tmp_path, command):
    """Read-only, below a file, and with a name that is too long."""
    (tmp_path / "file").write_text("precious")
    more = ["--data", tiny_folder, *FLAGS]
    for out in (tmp_path / "file" / "run", tmp_path / ("x" * 300), "/proc/run"):
        forks.run(command, "--out", out, *more).refused()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


def test_a_second_training_is_told_of_the_first(forks, tiny_folder, tmp_path, undisturbed):
    run = tmp_path / "run"
    first = forks.start(*training(tiny_folder, run))
    while not (run / ".lock").exists():
        time.sleep(0.01)
    for more in ([], ["--overwrite"]):
        line = forks.run(*training(tiny_folder, run, *more)).refused()
        assert f"process {first.child} on " in line
    first.wait().done()
    assert_same(run, undisturbed[0])


def test_of_two_that_start_together_one_trains(forks, tiny_folder, tmp_path, undisturbed):
    run = tmp_path / "run"
    started = [forks.start(*training(tiny_folder, run)) for _ in range(2)]
    answers = sorted((each.wait() for each in started), key=lambda answer: answer.code)
    answers[0].done()
    answers[1].refused()
    assert_same(run, undisturbed[0])
