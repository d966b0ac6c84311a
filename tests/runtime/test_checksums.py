"""Any change of a folder that was summed is seen."""

import re
import shutil

import pytest

from gyrax.runtime.checksums import SUMS, damage_of, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(bytes(range(256)))
    (tmp_path / "y").write_bytes(b"")
    write_sums(tmp_path)
    return tmp_path


def flip(file, byte=100):
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)


def test_what_is_as_it_was_written_is_not_damaged(folder):
    (folder / ".DS_Store").write_text("of a file manager")
    assert damage_of(folder) is None
    write_sums(folder)
    assert damage_of(folder) is None


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: flip(f / "a/x"), "'a/x' is not what was written"),
        (lambda f: (f / "a/x").write_bytes(b""), "'a/x' is not what was written"),
        (lambda f: (f / "y").unlink(), "'y' is missing"),
        (lambda f: shutil.rmtree(f / "a"), "'a/x' is missing"),
        (lambda f: (f / "z").write_text("new"), "'z' is not what was written"),
        (lambda f: (f / SUMS).unlink(), "SHA256SUMS is missing"),
        (lambda f: (f / SUMS).write_bytes(b""), "'a/x' is not what was written"),
        (lambda f: (f / SUMS).write_bytes(b"\xff"), "SHA256SUMS is missing or damaged"),
        (lambda f: flip(f / SUMS, 0), "is not what was written|is missing"),
        (lambda f: (f / SUMS).write_text((f / SUMS).read_text().splitlines()[0]), "'y' is not"),
        (lambda f: [shutil.rmtree(f / "a"), (f / "y").unlink(), (f / SUMS).write_bytes(b"")],
         "is empty"),
    ],
)  # fmt: skip
def test_every_damage_is_named(folder, damage, says):
    damage(folder)
    found = damage_of(folder)
    assert found is not None and re.search(says, found), found
