"""Values read from a folder's metadata, checked one by one, and how error messages show them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gyrax._errors import InputError

REMEDY = "write the folder again with lerobot, or copy it again"


def expect_object(file: Path, where: str, raw: Any) -> Mapping[str, Any]:
    """`raw` if it is a JSON object; `InputError` otherwise."""
    return _expect(isinstance(raw, dict), file, where, raw, "a JSON object")


def expect_text(file: Path, where: str, raw: Any) -> str:
    """`raw` if it is a text; `InputError` otherwise."""
    return _expect(isinstance(raw, str), file, where, raw, "a text")


def expect_texts(file: Path, where: str, raw: Any) -> tuple[str, ...]:
    """`raw` as a tuple if it is a list of texts; `InputError` otherwise."""
    texts = isinstance(raw, list) and all(isinstance(text, str) for text in raw)
    return tuple(_expect(texts, file, where, raw, "a list of texts"))


def expect_count(file: Path, where: str, raw: Any, *, least: int) -> int:
    """`raw` if it is an integer of at least `least`; `InputError` otherwise."""
    fits = isinstance(raw, int) and not isinstance(raw, bool) and raw >= least
    return _expect(fits, file, where, raw, f"an integer of at least {least}")


def expect_index(file: Path, where: str, raw: Any, index: int) -> None:
    """Raise `InputError` where `raw` is not the integer `index`."""
    found = expect_count(file, where, raw, least=0)
    _expect(found == index, file, where, found, str(index))


def expect_seconds(file: Path, where: str, raw: Any) -> float:
    """`raw` if it is a finite number of at least 0; `InputError` otherwise."""
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    return float(_expect(number and 0 <= raw < 1e9, file, where, raw, "seconds of at least 0"))


def _expect(fits: bool, file: Path, where: str, raw: Any, what: str) -> Any:
    if not fits:
        raise InputError(f"{file}: {where} is {show(raw)}, expected {what}; {REMEDY}")
    return raw


def show(value: Any) -> str:
    """`value` on one line and short; nothing found is `missing`."""
    return _cut("missing" if value is None else repr(value), 60)


def show_all(names: Iterable[str]) -> str:
    """These names on one line."""
    return _cut(", ".join(repr(name) for name in names) or "none", 400)


def one_line(error: BaseException) -> str:
    """The first line of an error's text, without the bytes of the broken file that it may quote."""
    lines = str(error).strip().splitlines()
    return plain(lines[0] if lines else type(error).__name__)


def plain(text: str) -> str:
    """`text` made printable and short."""
    return _cut("".join(char if char.isprintable() else "?" for char in text), 160)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
