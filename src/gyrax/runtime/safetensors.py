"""The safetensors format: arrays by name in one file that is read without executing anything.

Eight bytes hold the length of a JSON header, which gives each array's type, shape and place in the bytes
after it. Written here, and not by the package of that name, so that a model can be handed on without a
further dependency; what is written is what that package reads, and the reverse.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from gyrax._errors import InputError
from gyrax.runtime.files import written_whole

LENGTH = 8
NAME = re.compile(r"[\w.\[\]'-]+")
"""What an array may be called: nothing that could be taken for a path."""
METADATA = "__metadata__"
DTYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16,
    "U32": np.uint32, "I32": np.int32, "U64": np.uint64, "I64": np.int64, "F16": np.float16,
    "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip


def write_tensors(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, the widest types first, so that each begins at a multiple of its width."""
    kinds = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    header: dict[str, Any] = {METADATA: {"format": "np"}}
    order, at = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)), 0
    for name in order:
        array = arrays[name]
        begin, at = at, at + array.nbytes
        kind = kinds[array.dtype.newbyteorder("=")]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, at]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH)
    with written_whole(file) as partial, partial.open("wb") as stream:
        stream.write(len(text).to_bytes(LENGTH, "little") + text)
        for name in order:
            little = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
            stream.write(little.tobytes())


def read_tensors(file: Path) -> dict[str, np.ndarray]:
    """The arrays by name. `InputError` for a file that is cut short, or is no such file."""
    content = file.read_bytes()
    header, data = _parted(content, file)
    header.pop(METADATA, None)
    arrays, end = {}, 0
    places = {name: _place(name, entry, file) for name, entry in header.items()}
    for name, (dtype, shape, begin, stop) in sorted(places.items(), key=lambda item: item[1][2:]):
        wanted = math.prod(shape) * dtype.itemsize
        if begin != end or stop - begin != wanted:
            raise _damaged(
                file, f"{name!r} has bytes {begin} to {stop}, expected {wanted} from {end} on"
            )
        if stop > len(data):
            raise _damaged(file, f"it is cut short, at byte {len(data)} of {stop} or more")
        arrays[name] = np.frombuffer(data, dtype, math.prod(shape), begin).reshape(shape).copy()
        end = stop
    if end != len(data):
        raise _damaged(file, f"{len(data) - end} bytes at its end belong to no array")
    return arrays


def _parted(content: bytes, file: Path) -> tuple[dict[str, Any], memoryview]:
    """The header and the bytes after it."""
    length = int.from_bytes(content[:LENGTH], "little")
    if length > len(content) - LENGTH:
        raise _damaged(
            file, f"it has {len(content)} bytes, fewer than its header says it has itself"
        )
    try:
        header = json.loads(content[LENGTH : LENGTH + length])
    except (ValueError, RecursionError):
        raise _damaged(file, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _damaged(file, "its header is not a JSON object")
    return header, memoryview(content)[LENGTH + length :]


def _place(name: str, entry: Any, file: Path) -> tuple[np.dtype, list[int], int, int]:
    """Type, shape, first byte and end of an array."""
    if not NAME.fullmatch(name):
        raise _damaged(file, f"an array is called {name[:80]!r}, and no name may look like a path")
    try:
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
        begin, stop = entry["data_offsets"]
        counted = all(type(n) is int and n >= 0 for n in (*shape, begin, stop))
    except (TypeError, KeyError, ValueError):
        counted = False
    if not counted:
        raise _damaged(file, f"its entry of {name!r} is not a type, a shape and two offsets")
    return dtype.newbyteorder("<") if dtype.kind != "V" else dtype, shape, begin, stop


def _damaged(file: Path, reason: str) -> InputError:
    return InputError(
        f"{file}: {reason}; it is damaged: export the model again, or fetch it again."
    )
