"""Files and folders that appear complete or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def partial_name(file: Path) -> Path:
    """The name of a file while it is written; an interrupted process may leave one behind."""
    return file.with_name(f".{file.name}.partial")


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A temporary name to write to, which becomes `file` at the end of the block; its folder is made.

    What an interrupted process left under that name is replaced. Raises `OSError` where there is no room.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(file)
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `folder` at the end of the block.

    Each process has its own, so that two that write the same folder do not mix. Raises `OSError` where
    there is no room, or `folder` is there and not empty.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
