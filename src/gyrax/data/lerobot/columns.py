"""Numeric columns of one episode out of a parquet file, checked frame by frame."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import REMEDY, plain, show
from gyrax.data.lerobot.files import check_columns, parquet_errors
from gyrax.data.lerobot.schema import FLOAT_DTYPES, Episode, Feature

INDEX_COLUMNS = ("episode_index", "frame_index")


class ColumnReader:
    """Reads rows of parquet files; keeps the last file open and its last row group decoded.

    Not for use by several threads at once.
    """

    def __init__(self, rows: Mapping[Path, int]):
        """`rows`: how many rows the metadata promise in each data file."""
        self._rows = rows
        self._opened: tuple[Path, pq.ParquetFile] | None = None
        self._decoded: tuple[tuple[Path, int, tuple[str, ...]], pa.Table] | None = None

    def read(
        self, episode: Episode, features: Mapping[str, Feature], *, finite: bool = True
    ) -> dict[str, np.ndarray]:
        """The columns `features` of one episode, each (length, width), float32 or int64.

        With `finite`, NaN and infinities are errors.
        """
        columns = tuple(dict.fromkeys((*INDEX_COLUMNS, *features)))
        with parquet_errors(episode._file):
            table = self._slice(episode, columns)
            _check_indices(episode, table)
            return {
                name: column_values(episode._file, name, feature, table.column(name), finite)
                for name, feature in features.items()
            }

    def _slice(self, episode: Episode, columns: tuple[str, ...]) -> pa.Table:
        opened = self._open(episode._file)
        check_columns(episode._file, opened.schema_arrow.names, columns)
        parts, start, stop, first = [], episode._row, episode._row + episode.length, 0
        for group in range(opened.num_row_groups):
            rows = opened.metadata.row_group(group).num_rows
            low, high = max(start - first, 0), min(stop - first, rows)
            if low < high:
                table = self._row_group(episode._file, group, columns)
                parts.append(table.slice(low, high - low))
            first += rows
        table = pa.concat_tables(parts)
        if table.num_rows != episode.length:
            raise InputError(
                f"{episode._file}: holds {table.num_rows} rows of episode {episode.index}, "
                f"expected {episode.length}; {REMEDY}"
            )
        return table

    def _open(self, file: Path) -> pq.ParquetFile:
        if self._opened is None or self._opened[0] != file:
            self._decoded = None
            if self._opened is not None:
                self._opened[1].close()
                self._opened = None
            opened = pq.ParquetFile(file, memory_map=False)
            found, expected = opened.metadata.num_rows, self._rows[file]
            if found != expected:
                opened.close()
                raise InputError(
                    f"{file}: holds {found} rows, but the lengths of its episodes add up to "
                    f"{expected}; {REMEDY}"
                )
            self._opened = file, opened
        return self._opened[1]

    def _row_group(self, file: Path, group: int, columns: tuple[str, ...]) -> pa.Table:
        key = file, group, columns
        if self._decoded is None or self._decoded[0] != key:
            self._decoded = None  # freed first: never two row groups in memory
            self._decoded = key, self._open(file).read_row_group(group, columns=list(columns))
        return self._decoded[1]


def _check_indices(episode: Episode, table: pa.Table) -> None:
    """The rows must say that they are frames 0, 1, ... of this episode."""
    wanted = np.full(episode.length, episode.index), np.arange(episode.length)
    for name, expected in zip(INDEX_COLUMNS, wanted, strict=True):
        feature = Feature(dtype="int64", shape=(1,), names=None)
        found = column_values(episode._file, name, feature, table.column(name))[:, 0]
        wrong = np.flatnonzero(found != expected)
        if wrong.size:
            row = wrong[0]
            raise InputError(
                f"{episode._file}: column {show(name)} is {found[row]} at row "
                f"{episode._row + row}, expected {expected[row]}; {REMEDY}"
            )


def column_values(
    file: Path, name: str, feature: Feature, column: pa.ChunkedArray, finite: bool = True
) -> np.ndarray:
    """One column as (frames, width): float32 or int64, without nulls and, if `finite`, NaN or infinities.

    Raises `InputError` naming file, column and frame where the column differs from `feature`.
    """
    where = f"{file}: column {show(name)}"
    values: pa.Array = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # zero or several chunks, in some pyarrow versions
        values = pa.concat_arrays(values.chunks)
    frames, per_frame = len(values), 1
    levels = 0 if feature.shape == (1,) and not _is_list(values.type) else len(feature.shape)
    for size in feature.shape[:levels]:
        if not _is_list(values.type):
            raise InputError(
                f"{where} is {plain(str(column.type))}, expected {feature.width} values a frame; {REMEDY}"
            )
        _check_nulls(where, values, per_frame)
        lengths = pc.call_function("list_value_length", [values]).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != size)
        if wrong.size:
            raise InputError(
                f"{where} has {lengths[wrong[0]]} values at frame {wrong[0] // per_frame}, "
                f"expected {size} as in shape {feature.shape}; {REMEDY}"
            )
        values, per_frame = values.flatten(), per_frame * size
    _check_nulls(where, values, per_frame)
    return _to_numpy(where, feature, values, finite).reshape(frames, feature.width)


def _to_numpy(where: str, feature: Feature, values: pa.Array, finite: bool) -> np.ndarray:
    """Flat float32 or int64 values; the stored kind (float or integer) must be the declared one."""
    floating = feature.dtype in FLOAT_DTYPES
    kinds = (
        pa.types.is_floating(values.type),
        (pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)),
    )
    if kinds != (floating, not floating):
        raise InputError(
            f"{where} holds {plain(str(values.type))}, but info.json says {feature.dtype}; {REMEDY}"
        )
    if not floating:
        return np.asarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False))
    with np.errstate(over="ignore"):
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if finite and bad.size:
        raise InputError(
            f"{where} is {numbers[bad[0]]} at frame {bad[0] // feature.width}, expected a finite "
            f"number; repair or drop this episode"
        )
    return numbers


def _check_nulls(where: str, values: pa.Array, per_frame: int) -> None:
    if values.null_count:
        first = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]
        raise InputError(
            f"{where} is empty (null) at frame {first // per_frame}, expected a value; {REMEDY}"
        )


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
