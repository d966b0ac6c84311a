"""Packed frames: the features and actions of a whole cache in two files, of which any episode is read alone.

Beside the episodes of a cache lies `packed/`, with `features.npy` and `actions.npy`, which NumPy reads too,
and `packed.json`, which says what they were made from and holds a checksum of every episode. It appears
complete or not at all; an interrupted packing is gone on with. Training needs no more of the cache than that.
"""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from gyrax._errors import InputError
from gyrax.data.features.cache import NO_ROOM, FeatureCache
from gyrax.data.lerobot.checks import show
from gyrax.data.lerobot.files import is_there, read_json, writing_errors
from gyrax.data.store import Frames, FrameStore, digest_of, offsets_of
from gyrax.runtime.files import check_room, remove, written_whole

FOLDER = "packed"
FACTS = "packed.json"
ARRAYS = ("features", "actions")
DTYPES = ("float32", "float16")
FORMAT = "gyrax packed frames, version 1"
_STARTED, _SUMS = "packed.started.json", "packed.sums"
"""What a packing that is not complete has in place of `FACTS`."""


class PackedFrames(FrameStore):
    """The frames of a packed cache, read as they are asked for; each episode is checked the first time."""

    def __init__(self, cache: FeatureCache, facts: dict[str, Any]):
        self.folder, self.remedy = cache.path / FOLDER, _remedy(cache)
        self.columns, self.action_columns = cache.meta.columns, cache.meta.action_columns
        self.source = str(cache.path)
        self.offsets = offsets_of(np.array(cache.meta.lengths[: cache.meta.episodes]))
        self._digest, self._sums = facts["digest"], facts["sums"]
        self._checked = np.zeros(self.episodes, bool)
        widths = (len(self.columns), len(self.action_columns))
        dtypes = (np.dtype(facts["dtype"]), np.dtype(np.float32))
        self._arrays = [
            _Array(self.folder / f"{name}.npy", dtype, (int(self.offsets[-1]), width), self.remedy)
            for name, dtype, width in zip(ARRAYS, dtypes, widths, strict=True)
        ]

    @property
    def in_memory(self) -> bool:
        """No."""
        return False

    @property
    def digest(self) -> str:
        """SHA-256 of features, actions and offsets, as they were packed."""
        return self._digest

    def read(self, episodes: Int[np.ndarray, " E"]) -> Frames:
        """The frames of these episodes. Raises `InputError` where the files are not as they were packed."""
        lengths = self.lengths[episodes]
        offsets = offsets_of(lengths)
        out = [np.empty((offsets[-1], array.shape[1]), np.float32) for array in self._arrays]
        for episode, begin in zip(np.asarray(episodes).tolist(), offsets.tolist(), strict=False):
            first, end = self.offsets[episode : episode + 2].tolist()
            found = [array.read(first, end) for array in self._arrays]
            if not self._checked[episode]:
                if _sum_of(found) != self._sums[episode]:
                    raise InputError(
                        f"{self.folder}: episode {episode} is not as it was packed; {self.remedy}"
                    )
                self._checked[episode] = True
            for all_rows, rows in zip(out, found, strict=True):
                all_rows[begin : begin + end - first] = rows
        return Frames(out[0], out[1], offsets, self.columns, self.action_columns, self.source)


class _Array:
    """A two-dimensional array in a `.npy` file, some rows at a time."""

    def __init__(self, file: Path, dtype: np.dtype, shape: tuple[int, int], remedy: str):
        self.file, self.dtype, self.shape, self.remedy = file, dtype, shape, remedy
        try:
            with file.open("rb") as stream:
                *header, found, self.begin = _header_of(stream)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no .npy file"
            raise InputError(f"{file}: cannot be read ({reason}); {remedy}") from None
        size = self.begin + shape[0] * shape[1] * dtype.itemsize
        if (*header, found) != (shape, False, dtype) or file.stat().st_size != size:
            raise InputError(
                f"{file}: does not hold {shape[0]} x {shape[1]} numbers of {dtype}; {remedy}"
            )

    def read(self, first: int, end: int) -> np.ndarray:
        """Rows `first` to `end`."""
        count, width = end - first, self.shape[1]
        offset = self.begin + first * width * self.dtype.itemsize
        try:
            rows = np.fromfile(self.file, self.dtype, count * width, offset=offset)
        except OSError as error:
            raise InputError(f"{self.file}: cannot be read ({error.strerror}).") from None
        if rows.size != count * width:
            raise InputError(f"{self.file}: was cut short; {self.remedy}")
        return rows.reshape(count, width)


def is_packed(path: Path) -> bool:
    """Whether the cache at `path` has packed files."""
    return is_there(path / FOLDER / FACTS, folder=False)


def open_packed(cache: FeatureCache) -> PackedFrames:
    """The packed frames of a cache. Raises `InputError` where they are damaged, or not of this cache."""
    file = cache.path / FOLDER / FACTS
    facts = read_json(file, _remedy(cache))
    wanted = _facts(cache, facts.get("dtype") if isinstance(facts, dict) else None)
    for name, value in wanted.items():
        found = facts.get(name) if isinstance(facts, dict) else None
        if found != value or wanted["dtype"] not in DTYPES:
            raise InputError(
                f"{file}: {name} is {show(found)}, not of this cache; {_remedy(cache)}"
            )
    sums, digest = facts.get("sums"), facts.get("digest")
    if (
        not isinstance(sums, list)
        or len(sums) != cache.meta.episodes
        or not isinstance(digest, str)
    ):
        raise InputError(f"{file}: has no checksum of every episode; {_remedy(cache)}")
    return PackedFrames(cache, facts)


def pack(
    cache: FeatureCache, dtype: str, progress: Callable[[int], object] = lambda frames: None
) -> None:
    """Write the packed files of a complete cache, or what an interrupted packing left to write.

    `progress` is called with the number of frames of each episode. Raises `InputError` where there is no
    room, an episode cannot be read, or a feature is beyond what `dtype` holds.
    """
    facts, folder = _facts(cache, dtype), cache.path / FOLDER
    if is_packed(cache.path) and _is_same(folder / FACTS, facts):
        return
    lengths = cache.meta.lengths[: cache.meta.episodes]
    with writing_errors(cache.path, NO_ROOM):
        sums = _begin(cache, folder, facts, lengths)
        progress(sum(lengths[: len(sums)]))
        offsets = offsets_of(np.array(lengths)).tolist()
        files = [(folder / f"{name}.npy").open("r+b") for name in ARRAYS]
        with files[0], files[1], (folder / _SUMS).open("a") as done:
            begins = [_header_of(file)[-1] for file in files]
            for episode in range(len(sums), len(lengths)):
                arrays = _narrowed(cache, episode, dtype)
                for file, begin, array in zip(files, begins, arrays, strict=True):
                    file.seek(begin + offsets[episode] * array.itemsize * array.shape[1])
                    file.write(array.tobytes())
                    file.flush()
                sums.append(_sum_of(arrays))
                done.write(f"{sums[-1]}\n")
                done.flush()
                progress(lengths[episode])
            for file in files:
                os.fsync(file.fileno())
        frames = PackedFrames(cache, facts | {"sums": sums, "digest": ""})
        whole = facts | {"digest": digest_of(frames), "sums": sums}
        with written_whole(folder / FACTS) as partial:
            partial.write_text(json.dumps(whole))
        for name in (_STARTED, _SUMS):
            remove(folder / name)


def _begin(
    cache: FeatureCache, folder: Path, facts: dict[str, Any], lengths: tuple[int, ...]
) -> list[int]:
    """The checksums of the episodes that are packed already; the files are there and of their full size."""
    if _is_same(folder / _STARTED, facts) and not is_packed(cache.path):
        return [int(line) for line in (folder / _SUMS).read_text().split("\n")[:-1]]
    remove(folder)
    folder.mkdir(parents=True)
    widths = (len(cache.meta.columns), len(cache.meta.action_columns))
    for name, width, dtype in zip(ARRAYS, widths, (facts["dtype"], "float32"), strict=True):
        header = {
            "descr": np.dtype(dtype).str,
            "fortran_order": False,
            "shape": (sum(lengths), width),
        }
        with (folder / f"{name}.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            size = sum(lengths) * width * np.dtype(dtype).itemsize
            check_room(folder, size)
            file.truncate(file.tell() + size)
    (folder / _SUMS).touch()
    (folder / _STARTED).write_text(json.dumps(facts))
    return []


def _narrowed(cache: FeatureCache, episode: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    features, actions = cache.frames(episode)
    with np.errstate(over="ignore"):
        narrow = features.astype(dtype)
    if not np.isfinite(narrow).all():
        raise InputError(
            f"{cache.file(episode)}: holds a feature beyond what {dtype} can; use --pack float32."
        )
    return narrow, actions


def _facts(cache: FeatureCache, dtype: Any) -> dict[str, Any]:
    """What packed frames depend on."""
    episodes = cache.meta.episodes
    return {"format": FORMAT, "cache": cache.meta.digest(), "episodes": episodes, "dtype": dtype}


def _is_same(file: Path, facts: dict[str, Any]) -> bool:
    try:
        return json.loads(file.read_text()).items() >= facts.items()
    except (OSError, ValueError, AttributeError):
        return False


def _header_of(file: Any) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order and dtype of an open `.npy` file, and where its numbers begin."""
    np.lib.format.read_magic(file)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, fortran, dtype, file.tell()


def _sum_of(arrays: Any) -> int:
    total = 0
    for array in arrays:
        total = zlib.crc32(np.ascontiguousarray(array).data, total)
    return total


def _remedy(cache: FeatureCache) -> str:
    return f"remove {cache.path / FOLDER} and pack again, with --pack of `{cache.meta.command(cache.path)}`"
