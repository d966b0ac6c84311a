"""What random damage and the parts of the reader do, beside the listed corruptions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from folder_edits import read_all

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import one_line
from gyrax.data.lerobot.columns import ColumnReader
from gyrax.data.lerobot.schema import Episode


def test_quoted_bytes_are_made_printable():
    assert one_line(ValueError("byte \x0f\ud800 found\nsecond line")) == "byte ?? found"
    assert one_line(ValueError()) == "ValueError"


def test_rows_end_before_the_episode(copy_of: Callable[[str], Path]):
    file = copy_of("v30") / "data/chunk-000/file-000.parquet"
    reader = ColumnReader({file: 93})
    with pytest.raises(InputError, match="holds 38 rows of episode 2, expected 40"):
        reader.read(Episode(2, 40, (), file, 55), {})


@pytest.mark.parametrize("version", ["v30", "v21"])
def test_flipped_bytes_never_raise_anything_else(copy_of: Callable[[str], Path], version: str):
    root = copy_of(version)
    rng = np.random.default_rng(0)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    failures = 0
    for _ in range(80):
        file = files[rng.integers(len(files))]
        content = file.read_bytes()
        broken = np.frombuffer(content, np.uint8).copy()
        where = rng.integers(len(broken), size=4)
        broken[where] ^= rng.integers(1, 256, size=4, dtype=np.uint8)
        file.write_bytes(broken.tobytes())
        try:
            read_all(root)
        except InputError:
            failures += 1
        file.write_bytes(content)
    assert failures > 15
