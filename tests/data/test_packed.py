"""Packed frames: the same numbers as in memory, read by episodes, and refused where they are not."""

import json
import shutil

import numpy as np
import pytest

from commandline import done, refused
from gyrax._errors import InputError
from gyrax.data.features import packed
from gyrax.data.features.cache import FeatureCache, open_cache
from gyrax.data.features.packed import FACTS, FOLDER, PackedFrames, pack
from gyrax.data.frames import load_frames, open_all_frames, open_frames
from gyrax.data.store import Frames


@pytest.fixture(scope="module")
def made(tiny_folder, tmp_path_factory):
    """A cache of six episodes, packed as float32, and its frames in memory."""
    cache = tmp_path_factory.mktemp("made") / "cache"
    extract = ["extract", "--dataset", tiny_folder, "--backbone", "state", "--out", cache]
    done(*extract)
    whole = load_frames(cache)
    assert "packed: " in done(*extract, "--pack", "float32")
    return cache, whole


@pytest.fixture
def cache(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "cache")


def test_the_same_numbers(made):
    store, whole = open_frames(made[0]), made[1]
    assert isinstance(store, PackedFrames) and isinstance(whole, Frames)
    assert store.digest == whole.digest and not store.in_memory
    chosen = np.array([4, 0, 5])
    for found, wanted in ((store.whole(), whole), (store.read(chosen), whole.read(chosen))):
        for name in ("features", "actions", "offsets"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert np.load(made[0] / FOLDER / "features.npy", allow_pickle=False).shape == (144, 8)


def test_parts_are_all_frames_once(made, monkeypatch):
    store = open_frames(made[0])
    monkeypatch.setattr("gyrax.data.store.PART", 8 * 8 * 50)  # two episodes of 24 frames
    parts = list(store.parts(np.array([1, 2, 3, 5])))
    assert len(parts) > 1
    joined = np.concatenate([part.features for part in parts])
    np.testing.assert_array_equal(joined, made[1].read(np.array([1, 2, 3, 5])).features)


def test_several(made, tiny_folder):
    """Packed and in memory, one after the other, read across their border."""
    store = open_all_frames([made[0], tiny_folder])
    assert store.episodes == 12 and not store.in_memory
    chosen = np.array([7, 5, 2, 11])
    found = store.read(chosen)
    wanted = [made[1].read(np.array([e % 6])).actions for e in chosen]
    np.testing.assert_array_equal(found.actions, np.concatenate(wanted))
    assert found.lengths.tolist() == [24] * 4 and len(store.digest) == 64


def test_half_precision(cache, made):
    pack(open_cache(cache), "float16")
    found = open_frames(cache).whole()
    assert found.features.dtype == np.float32
    np.testing.assert_allclose(found.features, made[1].features, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(found.actions, made[1].actions)


def test_beyond_half_precision(cache, monkeypatch):
    large = lambda self, episode: (np.full((24, 8), 1e5, np.float32), np.zeros((24, 6), np.float32))
    monkeypatch.setattr(FeatureCache, "frames", large)
    with pytest.raises(InputError, match="beyond what float16 can; use --pack float32"):
        pack(open_cache(cache), "float16")


def test_an_interrupted_packing_is_gone_on_with(cache, made, monkeypatch):
    shutil.rmtree(cache / FOLDER)
    read, seen = FeatureCache.frames, []

    def frames(self, episode):
        seen.append(episode)
        if seen == [0, 1, 2, 3]:
            raise KeyboardInterrupt
        return read(self, episode)

    monkeypatch.setattr(FeatureCache, "frames", frames)
    with pytest.raises(KeyboardInterrupt):
        pack(open_cache(cache), "float32")
    assert isinstance(open_frames(cache), Frames)  # what is not complete is not used
    seen.clear()
    pack(open_cache(cache), "float32")
    assert seen == [3, 4, 5]
    assert open_frames(cache).digest == made[1].digest
    assert {file.name for file in (cache / FOLDER).iterdir()} == {
        FACTS,
        "features.npy",
        "actions.npy",
    }


def test_no_room(cache, monkeypatch):
    def full(folder, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed, "check_room", full)
    with pytest.raises(InputError, match=r"No space left on device.*make room"):
        pack(open_cache(cache), "float16")


def test_no_episodes_are_needed(cache, made):
    shutil.rmtree(cache / "episodes")
    assert open_frames(cache).digest == made[1].digest


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def test_a_flipped_bit_is_seen_when_its_episode_is_read(cache):
    flip(cache / FOLDER / "features.npy", -5)
    store = open_frames(cache)
    store.read(np.arange(5))
    with pytest.raises(InputError, match=r"episode 5 is not as it was packed; remove .*pack again"):
        store.read(np.array([5]))


def edit(change):
    def apply(cache):
        file = cache / FOLDER / FACTS
        file.write_text(json.dumps(change(json.loads(file.read_text()))))

    return apply


def cut(cache):
    file = cache / FOLDER / "features.npy"
    file.write_bytes(file.read_bytes()[:-8])


DAMAGES = {
    "cut short": (cut, "does not hold 144 x 8 numbers of float32"),
    "no .npy file": (lambda c: (c / FOLDER / "actions.npy").write_bytes(b"x" * 200), "cannot be read"),
    "gone": (lambda c: (c / FOLDER / "actions.npy").unlink(), "No such file"),
    "another version": (edit(lambda f: f | {"format": "2"}), "format is '2'"),
    "another cache": (edit(lambda f: f | {"cache": "0"}), "cache is '0', not of this cache"),
    "another dtype": (edit(lambda f: f | {"dtype": "float16"}), "does not hold .* of float16"),
    "no dtype": (edit(lambda f: f | {"dtype": [1]}), "is .*not of this cache"),
    "no sums": (edit(lambda f: f | {"sums": []}), "no checksum of every episode"),
    "no object": (edit(lambda f: [1]), "not of this cache"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line(cache, damage, tmp_path):
    harm, says = DAMAGES[damage]
    harm(cache)
    refused("train", "--data", cache, "--out", tmp_path / "run", says=says)
    assert not (tmp_path / "run").exists()


def test_an_unknown_dtype(tiny_folder, tmp_path):
    extract = ["extract", "--dataset", tiny_folder, "--backbone", "state", "--out", tmp_path / "c"]
    refused(*extract, "--pack", "float8", says="--pack is 'float8'.*float32")
