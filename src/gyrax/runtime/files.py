"""Files and folders that appear complete or not at all."""

import glob
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = re.compile(r"\..+\.[^.]*-\d+\.partial")


def partial_name(file: Path) -> Path:
    """The name of a file or folder while this process writes it."""
    return file.with_name(f".{file.name}.{_host()}-{os.getpid()}.partial")


def is_partial(path: Path) -> bool:
    """Whether something has the name of what is being written, or was when its process was killed."""
    return _PARTIAL.fullmatch(path.name) is not None


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A temporary name to write to, which becomes `file` at the end of the block; its folder is made.

    Each process has its own, so that two that write the same file do not mix; what killed processes left is
    cleared. Raises `OSError` where there is no room.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    clear_partial(file)
    partial = partial_name(file)
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `folder` at the end of the block, as `written_whole` does it.

    Raises `OSError` where there is no room, or `folder` is there and not empty.
    """
    clear_partial(folder)
    partial = partial_name(folder)
    try:
        partial.mkdir(parents=True)
        yield partial
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear_partial(path: Path) -> None:
    """Remove what processes of this host that are gone left of `path`."""
    _clear(path.parent, glob.escape(path.name))


def clear_partials_in(folder: Path) -> None:
    """The same of whatever they wrote into `folder`."""
    _clear(folder, "*")


def _clear(folder: Path, name: str) -> None:
    for left in folder.glob(f".{name}.{_host()}-*.partial"):
        number = left.name.split("-")[-1].removesuffix(".partial")
        if number.isdigit() and (int(number) == os.getpid() or not _is_alive(int(number))):
            remove(left)


def check_room(folder: Path, size: int) -> None:
    """Raise `OSError` where `folder` has no room for so many bytes, as far as the system can tell."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
