"""One process at a time writes in a folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gyrax._errors import InputError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing in `folder`, which is made, until the end of the block.

    The lock is the kernel's, which ends it with the process, however that ends; the file says who holds it.
    Raises `InputError` where another process does, `OSError` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / LOCK
    descriptor = _acquired(file)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(file: Path) -> int:
    """The open and locked file, which is still the one that has the name."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise InputError(
                f"{file.parent}: {owner} is writing in it; wait until it has ended, or choose another folder "
                "with --out."
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        if _is_same(descriptor, file):
            return descriptor
        os.close(descriptor)


def _is_same(descriptor: int, file: Path) -> bool:
    """Whether nobody removed the file between its opening and its locking."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
