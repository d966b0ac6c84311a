"""Opening the files of a LeRobot folder: whatever is wrong with one becomes one `InputError`."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import REMEDY, one_line, show, show_all


def read_json(file: Path, remedy: str = REMEDY) -> Any:
    """The content of one JSON file."""
    return _decode(file, _text(file, remedy), "", remedy)


def read_json_lines(file: Path) -> Iterator[tuple[str, Any]]:
    """`("line 3", content)` for each line of a JSON-lines file that is not blank."""
    for number, line in enumerate(_text(file, REMEDY).split("\n"), start=1):
        if line.strip():
            yield f"line {number}", _decode(file, line, f" in line {number}", REMEDY)


def is_there(path: Path, *, folder: bool) -> bool:
    """Whether this file or folder exists; not so where the system refuses to tell."""
    try:
        return path.is_dir() if folder else path.is_file()
    except OSError:  # no permission, or a name that is too long
        return False


def _text(file: Path, remedy: str) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{file}: missing, expected a text file; {remedy}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}: byte {error.start} is not UTF-8, expected UTF-8 text; {remedy}"
        ) from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); {remedy}") from None


def _decode(file: Path, text: str, where: str, remedy: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: broken JSON{where} ({one_line(error)}); {remedy}") from None


@contextmanager
def writing_errors(place: Path, remedy: str) -> Iterator[None]:
    """Turn what the system raises where a place cannot be written into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{place}: cannot be written ({error.strerror or one_line(error)}), expected a writable "
            f"place with free space; {remedy}"
        ) from None


def parquet_errors(file: Path, remedy: str = REMEDY) -> AbstractContextManager[None]:
    """Turn what pyarrow raises on a missing or broken file into an `InputError`."""
    return reading_errors(file, "a parquet file", pa.ArrowException, remedy=remedy)


@contextmanager
def reading_errors(
    file: Path, what: str, *errors: type[Exception], remedy: str = REMEDY
) -> Iterator[None]:
    """Turn a library's `errors` on a missing or broken file, expected to be `what`, into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{file}: missing, expected {what}; {remedy}") from None
    except (*errors, OSError, ValueError) as error:
        raise InputError(
            f"{file}: truncated or broken, expected {what} ({one_line(error)}); {remedy}"
        ) from None


def read_table(file: Path, columns: Sequence[str]) -> pa.Table:
    """These columns of a small parquet file; `InputError` names the columns it has instead."""
    with parquet_errors(file), pq.ParquetFile(file) as opened:
        check_columns(file, opened.schema_arrow.names, columns)
        return opened.read(columns=list(columns))


def check_columns(file: Path, present: Sequence[str], needed: Sequence[str]) -> None:
    """Raise `InputError` for the first column that the file lacks or has twice."""
    for column in needed:
        if present.count(column) > 1:
            raise InputError(f"{file}: has several columns {show(column)}, expected one; {REMEDY}")
        if column not in present:
            listed = show_all(name for name in present if not name.startswith("stats/"))
            raise InputError(f"{file}: has no column {show(column)}, only {listed}; {REMEDY}")
