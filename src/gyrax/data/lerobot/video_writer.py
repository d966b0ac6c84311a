"""Encodes an episode's pictures as they come, for the videos of a folder (PyAV, extra `video`)."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.video import import_av
from gyrax.data.lerobot.writer_stats import QUANTILES

CODEC = "h264"
_OPTIONS = {"crf": "18", "g": "10"}  # sharp enough to learn from; a seek decodes ten frames at most


class EncodedClip(NamedTuple):
    """One episode's video, in a file that the writer moves to its place, and its statistics."""

    file: Path
    length: int
    statistics: dict[str, np.ndarray]


class ClipEncoder:
    """Writes pictures of one size to an MP4 file."""

    def __init__(self, file: Path, fps: float, feature: Feature):
        """Raises `InputError` where PyAV is missing."""
        self._av, self._file, self._length = import_av(), file, 0
        self._height, self._width, _ = feature.shape
        self._container = self._av.open(str(file), "w")
        rate = Fraction(fps).limit_denominator(1000)
        self._stream = self._container.add_stream("libx264", rate=rate, options=_OPTIONS)
        self._stream.width, self._stream.height = self._width, self._height
        self._stream.pix_fmt = "yuv420p"
        self._counts = np.zeros((3, 256), np.int64)

    def add(self, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """The next frame, cut to the feature's size."""
        picture = np.ascontiguousarray(picture[: self._height, : self._width])
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24")
        self._container.mux(self._stream.encode(frame))
        for channel, counts in enumerate(self._counts):
            counts += np.bincount(picture[..., channel].ravel(), minlength=256)
        self._length += 1

    def close(self) -> EncodedClip:
        """Finish the file."""
        self._container.mux(self._stream.encode())
        self._container.close()
        return EncodedClip(self._file, self._length, _statistics(self._counts, self._length))


def video_feature(picture: UInt8[np.ndarray, "h w 3"]) -> Feature:
    """The feature of a camera that takes such pictures, of even size as the codec needs it."""
    height, width = (size // 2 * 2 for size in picture.shape[:2])
    return Feature("video", (height, width, 3), ("height", "width", "channels"))


def _statistics(counts: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """Statistics of each channel, from 0 to 1, by how often each of its 256 values occurs."""
    values, weights = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)
    mean, below = weights @ values, np.cumsum(weights, axis=1)
    at = lambda level: values[np.argmax(below >= level - 1e-12, axis=1)]
    return {
        "min": values[np.argmax(counts > 0, axis=1)],
        "max": values[255 - np.argmax(counts[:, ::-1] > 0, axis=1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(weights @ values**2 - mean**2, 0.0)),
        "count": np.array([length]),
        **{name: at(level) for name, level in QUANTILES.items()},
    }
