"""Checksums: of the files in a folder, kept beside them, and of facts."""

import hashlib
import json
from pathlib import Path
from typing import Any

from gyrax.runtime.files import written_whole

SUMS = "SHA256SUMS"
"""The file of a folder's checksums, as `sha256sum --check` reads it."""


def facts_digest(facts: Any) -> str:
    """A digest of what JSON holds, whatever the order of its names."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write_sums(folder: Path) -> None:
    """Write the checksums of all files in `folder` beside them."""
    lines = [f"{_digest(folder / name)}  {name}\n" for name in _names(folder)]
    with written_whole(folder / SUMS) as partial:
        partial.write_text("".join(lines))


def damage_of(folder: Path) -> str | None:
    """What of a folder is not as its checksums have it; None where all is."""
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return f"its file {SUMS} is missing or damaged"
    wanted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = _names(folder)
    for name in sorted({*wanted, *there}):
        if name not in there:
            return f"its file {name!r} is missing"
        if _digest(folder / name) != wanted.get(name):
            return f"its file {name!r} is not what was written"
    return None if there else "it is empty"


def _names(folder: Path) -> list[str]:
    """The files in a folder, in order; without its checksums and hidden ones, such as a file manager's."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        str(file)
        for file in files
        if str(file) != SUMS and not any(part.startswith(".") for part in file.parts)
    )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
