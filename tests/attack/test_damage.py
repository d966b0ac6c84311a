"""A checkpoint of which any file was changed is refused in one line; no change goes unseen."""

import os
import shutil

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.training.checkpoint import open_checkpoint


def truncated(content, rng):
    return content[: rng.randrange(len(content))]


def flipped(content, rng):
    changed, at = bytearray(content), rng.randrange(len(content))
    changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


KINDS = {
    "truncated": truncated,
    "flipped": flipped,
    "emptied": lambda content, rng: b"",
    "of another kind": lambda content, rng: rng.randbytes(len(content) + 1),
}
MORE = ("deleted", "a folder", "of another checkpoint")


def damage(copy, other, files, kind, rng):
    """Change one file that is not empty; returns its name."""
    name = rng.choice([file for file in files if (copy / file).stat().st_size])
    file = copy / name
    if kind in KINDS:
        file.write_bytes(KINDS[kind](file.read_bytes(), rng))
        return name
    file.unlink()
    if kind == "a folder":
        file.mkdir()
    elif kind == "of another checkpoint":
        theirs = [f for f in other.rglob("*") if f.is_file() and f.name == file.name]
        beside = [f for f in (other / name).parent.iterdir() if f.is_file()]
        file.write_bytes((theirs or beside)[0].read_bytes())
    return name


@pytest.mark.parametrize("kind", [*KINDS, *MORE])
def test_damage_is_one_line(undisturbed, tmp_path, rng, cases, kind, capfd):
    run, _ = undisturbed
    whole, other = run / "p1_epoch_00003", run / "p1_epoch_00001"
    files = sorted(str(f.relative_to(whole)) for f in whole.rglob("*") if f.is_file())
    wanted = open_checkpoint(whole)
    copy = tmp_path / whole.name
    for case in range(cases or 20):
        shutil.copytree(whole, copy)
        name = damage(copy, other, files, kind, rng)
        if (
            os.path.isfile(copy / name)
            and (copy / name).read_bytes() == (whole / name).read_bytes()
        ):
            found = open_checkpoint(copy)
            for key, array in wanted.arrays.items():
                np.testing.assert_array_equal(found.arrays[key], array)
        else:
            with pytest.raises(InputError, match="give another one, or train again") as refusal:
                open_checkpoint(copy)
            assert "\n" not in str(refusal.value), (case, name)
        assert capfd.readouterr().err == "", (case, name)
        shutil.rmtree(copy)
