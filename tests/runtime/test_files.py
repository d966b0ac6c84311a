"""Files and folders appear complete or not at all, and what a killed process left does no harm."""

import os
import subprocess
import sys

import pytest

from gyrax.runtime.files import check_room, folder_written_whole, partial_name, written_whole


def test_a_file_is_replaced_at_the_end(tmp_path):
    file = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        before = file.read_text() if file.exists() else None
        with written_whole(file) as partial:
            partial.write_text(text)
            assert (file.read_text() if file.exists() else None) == before
        assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_a_failed_write_keeps_the_file_that_was_there(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(file) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [file] and file.read_text() == "old"


def test_what_a_killed_process_left_is_replaced(tmp_path):
    file = tmp_path / "a.txt"
    partial_name(file).write_text("half of something longer")
    with written_whole(file) as partial:
        partial.write_text("whole")
    assert list(tmp_path.iterdir()) == [file] and file.read_text() == "whole"


def test_what_killed_processes_left_is_cleared(tmp_path):
    """Under the number of a process that is gone; that of one that lives is its own."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {}
    for number in (gone.pid, os.getppid()):
        left = partial_name(tmp_path / "f")
        left = left.with_name(left.name.replace(f"-{os.getpid()}.", f"-{number}."))
        left.mkdir()
        (left / "half.txt").write_text("half")
        names[number] = left
    with folder_written_whole(tmp_path / "f") as partial:
        (partial / "a.txt").write_text("a")
    assert sorted(tmp_path.iterdir()) == [names[os.getppid()], tmp_path / "f"]


def test_a_folder_appears_whole(tmp_path):
    folder = tmp_path / "new" / "f"
    with folder_written_whole(folder) as partial:
        (partial / "a.txt").write_text("a")
        assert not folder.exists()
    assert [file.name for file in folder.iterdir()] == ["a.txt"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), folder_written_whole(tmp_path / "f") as partial:
        (partial / "a.txt").write_text("a")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "mine.txt").write_text("precious")
    with pytest.raises(OSError), folder_written_whole(tmp_path / "f") as partial:
        (partial / "a.txt").write_text("a")
    assert [path.name for path in tmp_path.rglob("*")] == ["f", "mine.txt"]


def test_room_is_asked_for(tmp_path):
    check_room(tmp_path, 1000)
    with pytest.raises(OSError):
        check_room(tmp_path, 2**62)
    assert list(tmp_path.iterdir()) == []
