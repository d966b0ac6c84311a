"""Camera frames of a LeRobot folder, decoded one after the other with PyAV (extra `video`)."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import REMEDY, show
from gyrax.data.lerobot.files import reading_errors
from gyrax.data.lerobot.folder import LeRobotFolder
from gyrax.data.lerobot.schema import Feature


class Camera:
    """One camera of an opened folder: the frames of an episode, streamed.

    **Fields:** `key`, its feature; `height` and `width` of a frame in pixels.
    """

    def __init__(self, folder: LeRobotFolder, key: str):
        """Raises `InputError` where PyAV is missing or the folder's metadata of `key` are unusable."""
        self._av = import_av()
        self._clips = folder.clips(key)
        self._lengths = [episode.length for episode in folder.episodes]
        self._fps = folder.fps
        self.key = key
        self.height, self.width = _size(f"{folder.path}: feature {show(key)}", folder.features[key])

    def frames(self, episode: int) -> Iterator[np.ndarray]:
        """The frames of one episode in order, each uint8 (height, width, 3) in RGB.

        Frame i is the one whose time in the file is nearest to that of its number, counted from where
        the episode begins there. Raises `InputError` where the file is missing, broken or of another
        size, or where frames are missing.
        """
        clip, length = self._clips[episode], self._lengths[episode]
        with (
            reading_errors(clip.file, "a video file", self._av.FFmpegError),
            self._av.open(str(clip.file)) as container,
        ):
            if not container.streams.video:
                raise InputError(f"{clip.file}: holds no video, expected one stream; {REMEDY}")
            stream = container.streams.video[0]
            _check_decoder(clip.file, stream)
            stream.thread_type = "AUTO"
            expected, end = clip.begin, clip.begin + length
            if clip.begin:
                offset = clip.begin / self._fps / stream.time_base
                container.seek(int(offset) + (stream.start_time or 0), stream=stream)
            for number, frame in self._numbered(clip.file, stream, container.decode(stream)):
                if number < clip.begin:
                    continue
                if number != expected:
                    raise InputError(
                        f"{clip.file}: holds frame {number} where frame {expected} was expected at "
                        f"{self._fps:g} frames a second; {REMEDY}"
                    )
                yield frame.to_ndarray(format="rgb24")
                expected += 1
                if expected == end:
                    return
            raise InputError(
                f"{clip.file}: ends after {expected} frames, expected {end} for episode {episode}; "
                f"{REMEDY}"
            )

    def _numbered(self, file: Path, stream: Any, frames: Any) -> Iterator[tuple[int, Any]]:
        """Frames with their number in the file, which their presentation time tells."""
        first = stream.start_time or 0
        for frame in frames:
            if frame.pts is None or frame.is_corrupt:
                raise InputError(f"{file}: has a damaged frame, expected a whole video; {REMEDY}")
            if (frame.height, frame.width) != (self.height, self.width):
                raise InputError(
                    f"{file}: its frames are {frame.height} x {frame.width} pixels, but info.json says "
                    f"{self.height} x {self.width}; {REMEDY}"
                )
            yield round((frame.pts - first) * stream.time_base * self._fps), frame


def import_av() -> ModuleType:
    """The module `av`. Raises `InputError` where it is not installed."""
    try:
        import av  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(
            "video needs PyAV; install it with python -m pip install -e '.[video]'."
        ) from None
    return av


def _check_decoder(file: Path, stream: Any) -> None:
    if stream.codec_context is None:
        raise InputError(
            f"{file}: truncated or broken, expected a video file (its encoding is unknown); {REMEDY}"
        )
    # FFmpeg's own AV1 decoder only drives hardware, and fails on machines without it.
    if stream.codec_context.codec.name == "av1":
        raise InputError(
            f"{file}: is AV1, which this build of PyAV cannot decode, expected one with libdav1d; "
            "install PyAV from a wheel: python -m pip install --force-reinstall av."
        )


def _size(where: str, feature: Feature) -> tuple[int, int]:
    """Height and width of a camera's frames, whichever order its shape has."""
    shape, names = feature.shape, feature.names or ()
    if len(shape) == 3 and set(names) >= {"height", "width"}:
        return shape[names.index("height")], shape[names.index("width")]
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        return shape[0], shape[1]
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        return shape[1], shape[2]
    raise InputError(f"{where} has shape {shape}, expected (height, width, channels); {REMEDY}")
