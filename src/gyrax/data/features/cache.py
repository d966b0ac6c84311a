"""Feature caches: a folder with `meta.json` and one parquet file an episode.

`episodes/episode_000007.parquet` has one row a frame: `features`, `state` and `action`, lists of float32,
and `task_index`. Each file appears complete or not at all, and carries the hash of what `meta.json` says
its numbers depend on: so a cache is valid wherever its making was interrupted, and files of two caches
cannot be mixed.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gyrax._errors import InputError
from gyrax.data.features.fingerprint import fingerprint
from gyrax.data.features.meta import REMEDY, CacheMeta, parse_meta
from gyrax.data.lerobot.checks import show
from gyrax.data.lerobot.files import is_there, parquet_errors, read_json, writing_errors
from gyrax.data.lerobot.writer_tables import data_table
from gyrax.runtime.files import is_partial, written_whole

META = "meta.json"
VECTORS = ("features", "state", "action")
NO_ROOM = "make room, or choose another folder with --out."
_KEY = b"gyrax"


class FeatureCache:
    """An opened cache: its checked metadata, and episodes on demand."""

    def __init__(self, path: Path, meta: CacheMeta):
        self.path = path
        self.meta = meta
        columns = (meta.columns, meta.state_columns, meta.action_columns)
        self._widths = dict(zip(VECTORS, map(len, columns), strict=True))
        lists = [pa.field(n, pa.list_(pa.float32(), w)) for n, w in self._widths.items()]
        self._schema = pa.schema([*lists, pa.field("task_index", pa.int64())])

    def file(self, episode: int) -> Path:
        """Where an episode is or will be."""
        return self.path / "episodes" / f"episode_{episode:06d}.parquet"

    def missing(self) -> list[int]:
        """The episodes that were asked for and are not there."""
        return [e for e in range(self.meta.episodes) if not is_there(self.file(e), folder=False)]

    def broken(self) -> dict[int, InputError]:
        """The episodes that are there but cannot be read, with the reason."""
        found = {}
        for episode in range(self.meta.episodes):
            if is_there(self.file(episode), folder=False):
                try:
                    self.read(episode)
                except InputError as error:
                    found[episode] = error
        return found

    def write(self, episode: int, columns: dict[str, np.ndarray]) -> None:
        """Store one episode: `features`, `state`, `action` (frames, width), and `task_index` (frames,).

        Raises `InputError` for values that are not finite or do not fit, and where there is no room.
        """
        file, frames = self.file(episode), self.meta.lengths[episode]
        for name in self._schema.names:
            values, width = columns[name], self._widths.get(name, 1)
            if values.size != frames * width or not np.isfinite(values).all():
                raise InputError(
                    f"{file}: {name} of shape {values.shape} are not all finite or not "
                    f"{frames} x {width}; check backbone and data set."
                )
        table = data_table(self._schema.with_metadata({_KEY: self._stamp(episode)}), columns)
        with writing_errors(self.path, NO_ROOM), written_whole(file) as partial:
            pq.write_table(table, partial, compression="zstd", write_page_checksum=True)

    def read(self, episode: int) -> dict[str, np.ndarray]:
        """One episode: `features`, `state` and `action`, float32 (frames, width), and `task_index`.

        Raises `InputError` for a file that is missing, broken, of another cache or not finite.
        """
        file = self.file(episode)
        remedy = f"remove this file and run {self.meta.command(self.path)}"
        with (
            parquet_errors(file, remedy),
            pq.ParquetFile(file, memory_map=False, page_checksum_verification=True) as opened,
        ):
            schema, table = opened.schema_arrow, opened.read()
        if (schema.metadata or {}).get(_KEY) != self._stamp(episode):
            raise InputError(
                f"{file}: is not episode {episode} of the features that {META} describes; {remedy}"
            )
        if not schema.equals(self._schema, check_metadata=False):
            raise InputError(
                f"{file}: has the columns {show(str(schema.types))}, expected "
                f"{show(str(self._schema.types))}; {remedy}"
            )
        if table.num_rows != self.meta.lengths[episode]:
            raise InputError(
                f"{file}: holds {table.num_rows} frames, expected {self.meta.lengths[episode]}; {remedy}"
            )
        return {name: self._values(file, table, name, remedy) for name in schema.names}

    def frames(self, episode: int) -> tuple[np.ndarray, np.ndarray]:
        """Features in the units of the data set, and actions, of one episode; float32. Raises as `read`."""
        columns, meta = self.read(episode), self.meta
        features = columns["features"]
        if meta.mean:
            features = (features * np.array(meta.scale) + np.array(meta.mean)).astype(np.float32)
        return features, columns["action"]

    def _values(self, file: Path, table: pa.Table, name: str, remedy: str) -> np.ndarray:
        column = table.column(name).combine_chunks()
        flat = column.flatten() if name in VECTORS else column
        values = flat.to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if bad.size:
            raise InputError(
                f"{file}: {name} is not finite at frame {bad[0]}, expected finite numbers; {remedy}"
            )
        return values if name in VECTORS else values[:, 0]

    def _stamp(self, episode: int) -> bytes:
        return f"{self.meta.digest()} {episode}".encode()


def is_cache(path: Path) -> bool:
    """Whether a folder is meant to be a cache."""
    return is_there(path / META, folder=False)


def open_cache(path: Path, *, packed: bool = False) -> FeatureCache:
    """Open a cache to read all of it: its episodes, which one that is `packed` need not have.

    Raises `InputError` where its `meta.json` is unusable, episodes are missing, or the data set it was
    made from is still in its place and no longer the same.
    """
    cache = FeatureCache(path, _read_meta(path))
    meta, missing = cache.meta, cache.missing()
    if missing and not packed:
        raise InputError(
            f"{path}: holds {meta.episodes - len(missing)} of {meta.episodes} episodes, the first that "
            f"is missing is {missing[0]}; complete it with {meta.command(path)}"
        )
    source = Path(meta.dataset)
    there = is_there(source / "meta" / "info.json", folder=False)
    if there and fingerprint(source, videos="cameras" in meta.settings) != meta.fingerprint:
        raise InputError(f"{path}: was made from {source}, which has changed since; {REMEDY}.")
    return cache


def start_cache(path: Path, meta: CacheMeta) -> FeatureCache:
    """Make a cache to fill, or go on with the one at `path` if its features are the same.

    Raises `InputError` where `path` holds anything else; nothing in it is changed then.
    """
    if is_cache(path):
        _check_same(path, _read_meta(path), meta)
    check_place(path)
    with writing_errors(path, NO_ROOM), written_whole(path / META) as partial:
        partial.write_text(meta.to_json(), encoding="utf-8")
    return FeatureCache(path, meta)


def _check_same(path: Path, before: CacheMeta, now: CacheMeta) -> None:
    old, new = before.identity(), now.identity()
    name = next((name for name in new if old[name] != new[name]), None)
    if name is None:
        return
    old, new = old[name], new[name]
    if name == "settings":
        name = next(key for key in {**new, **old} if new.get(key) != old.get(key))
        old, new = old.get(name), new.get(name)
    elif name != "backbone":  # all else follows from the data set
        name, old, new = "data set or its state", before.dataset, now.dataset
    raise InputError(
        f"{path}: holds features of other settings ({name}: {show(old)}, now {show(new)}); choose "
        "another folder with --out."
    )


def check_place(path: Path) -> None:
    """Refuse a place that is neither free nor a cache. Raises `InputError`."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give a folder with --out.")
    if path.is_dir() and not is_cache(path) and not all(map(is_partial, path.iterdir())):
        raise InputError(
            f"{path}: is not empty and no feature cache; choose another folder with --out."
        )


def _read_meta(path: Path) -> CacheMeta:
    return parse_meta(path / META, read_json(path / META, REMEDY))
