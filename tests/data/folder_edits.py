"""Ways to damage a copy of a LeRobot folder, each a function of its path, and to read it then."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gyrax._errors import InputError
from gyrax.data.lerobot.folder import open_folder

INFO = "meta/info.json"

Edit = Callable[[Path], Any]


def read_all(root: Path) -> None:
    folder = open_folder(root)
    for episode in folder.episodes:
        folder.read(episode.index, ["observation.state", "action"])


def one_line(root: Path) -> str:
    """The message of the `InputError` that opening and reading everything raises."""
    with pytest.raises(InputError) as caught:
        read_all(root)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def info(**changes: Any) -> Edit:
    """Change fields of info.json; `None` removes one."""

    def edit(root: Path) -> None:
        content = json.loads((root / INFO).read_text())
        content.update(changes)
        kept = {name: value for name, value in content.items() if value is not None}
        (root / INFO).write_text(json.dumps(kept))

    return edit


def feature(**changes: Any) -> Edit:
    """Change fields of the feature `action`."""

    def edit(root: Path) -> None:
        content = json.loads((root / INFO).read_text())
        content["features"]["action"].update(changes)
        (root / INFO).write_text(json.dumps(content))

    return edit


def table(file: str, change: Callable[[pa.Table], pa.Table]) -> Edit:
    return lambda root: pq.write_table(change(pq.read_table(root / file)), root / file)


def column(
    file: str, name: str, change: Callable[[list[Any]], list[Any]], kind: Any = None
) -> Edit:
    """Change the values of one parquet column, given as a list."""

    def replaced(old: pa.Table) -> pa.Table:
        values = pa.array(change(old[name].to_pylist()), kind or old.schema.field(name).type)
        return old.set_column(old.schema.get_field_index(name), name, values)

    return table(file, replaced)


def at(index: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [*values[:index], value, *values[index + 1 :]]


def text(file: str, content: str | bytes) -> Edit:
    data = content.encode() if isinstance(content, str) else content
    return lambda root: (root / file).write_bytes(data)


def lines(file: str, change: Callable[[list[str]], list[str]]) -> Edit:
    return lambda root: (root / file).write_text(
        "\n".join(change((root / file).read_text().splitlines()))
    )


def truncate(file: str, part: float) -> Edit:
    def edit(root: Path) -> None:
        content = (root / file).read_bytes()
        (root / file).write_bytes(content[: int(len(content) * part)])

    return edit


def remove(file: str) -> Edit:
    def edit(root: Path) -> None:
        path = root / file
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def to_folder(file: str) -> Edit:
    def edit(root: Path) -> None:
        (root / file).unlink()
        (root / file).mkdir()

    return edit
