"""Writes films: MP4 where PyAV is installed, else GIF."""

import importlib.util
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from gyrax.runtime.files import written_whole

Picture = UInt8[np.ndarray, "h w 3"]


def film_suffix() -> str:
    """`.mp4`, or `.gif` without PyAV."""
    return ".mp4" if importlib.util.find_spec("av") else ".gif"


def write_film(pictures: Iterable[Picture], file: Path, fps: float) -> Path:
    """Write pictures of one size, at least one, whole or not at all; the suffix of `file` decides how."""
    with written_whole(file) as partial:
        (_write_mp4 if file.suffix == ".mp4" else _write_gif)(pictures, partial, fps)
    return file


def _write_mp4(pictures: Iterable[Picture], file: Path, fps: float) -> None:
    import av  # pyright: ignore[reportMissingImports]

    rest = iter(pictures)
    first = next(rest)
    # H.264 as browsers play it has even sizes.
    height, width = (n - n % 2 for n in first.shape[:2])
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for picture in chain([first], rest):
            cut = np.ascontiguousarray(picture[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        container.mux(stream.encode())


def _write_gif(pictures: Iterable[Picture], file: Path, fps: float) -> None:
    from PIL import Image

    # Viewers slow down what is faster than 50 pictures a second.
    every = max(1, round(fps / 50))
    images = map(Image.fromarray, islice(pictures, 0, None, every))
    duration = round(1000 * every / fps)
    next(images).save(
        file, format="GIF", save_all=True, append_images=images, duration=duration, loop=0
    )
