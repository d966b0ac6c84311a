"""Tells whether a data set is still the one that something was made from."""

import hashlib
from pathlib import Path

from gyrax._errors import InputError

TAIL = 2**16


def fingerprint(folder: Path, *, videos: bool) -> str:
    """A hash of a LeRobot folder: its metadata, and for each data file (and video) its size and end.

    The end of a parquet file holds the range of every column, so that changed values show without
    reading the data. Raises `InputError` where a file cannot be read.
    """
    digest = hashlib.sha256()
    for part in ("meta", "data", *(("videos",) if videos else ())):
        for file in sorted(path for path in (folder / part).rglob("*") if path.is_file()):
            try:
                with file.open("rb") as stream:
                    size = stream.seek(0, 2)
                    stream.seek(0 if part == "meta" else max(0, size - TAIL))
                    content = stream.read()
            except OSError as error:
                raise InputError(
                    f"{file}: cannot be read ({error.strerror}); check the permissions."
                ) from None
            name = file.relative_to(folder).as_posix()
            digest.update(f"{name}\0{size}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content)
    return digest.hexdigest()[:32]
