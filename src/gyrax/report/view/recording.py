"""What a data set has beside its numbers: frames a second, and the pictures of a camera."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gyrax._errors import InputError
from gyrax.data.features.cache import is_cache, open_cache
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.data.lerobot.video import Camera
from gyrax.report.control_cases import small
from gyrax.report.control_page import jpeg

PICTURES, HEIGHT, ACROSS = 50, 120, 10
"""Most pictures of an episode, their height in pixels, and how many stand in a row of its sheet."""


@dataclass(frozen=True)
class Recording:
    """Where a data set is from. **Fields:** `folder`, the LeRobot folder, None where only features made from
    it are here; `fps`; `episodes`, how many it has."""

    folder: LeRobotFolder | None
    fps: float
    episodes: int

    @classmethod
    def of(cls, path: Path) -> "Recording":
        """Of a feature cache or a LeRobot folder."""
        if not is_cache(path):
            folder = open_folder(path)
            return cls(folder, folder.fps, len(folder.episodes))
        meta = open_cache(path).meta
        source = Path(meta.dataset)
        there = (source / "meta" / "info.json").is_file()
        return cls(open_folder(source) if there else None, meta.fps, meta.episodes)


@dataclass(frozen=True)
class Sheets:
    """Sheets of pictures of the first camera, one an episode; none where there is no camera."""

    recordings: Sequence[Recording]

    def check(self) -> str | None:
        """Why there are no pictures though there is a camera; None if there are, or nothing to show."""
        try:
            for recording in self.recordings:
                if recording.folder is not None and recording.folder.cameras:
                    Camera(recording.folder, recording.folder.cameras[0])
        except InputError as error:
            return str(error)
        return None

    def of(self, episode: int) -> dict[str, Any] | None:
        """The pictures of one episode of all data sets together: one picture of them all, and what is where.

        Raises `InputError` for a video that cannot be read.
        """
        for recording in self.recordings:
            if episode < recording.episodes:
                break
            episode -= recording.episodes
        else:
            return None
        folder = recording.folder
        if folder is None or not folder.cameras:
            return None
        every = -(-folder.episodes[episode].length // PICTURES)
        camera = Camera(folder, folder.cameras[0])
        pictures = list(_every(camera.frames(episode), every))
        pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % ACROSS)
        rows = [np.hstack(pictures[i : i + ACROSS]) for i in range(0, len(pictures), ACROSS)]
        return {
            "camera": camera.key.removeprefix("observation.images."),
            "every": every,
            "across": ACROSS,
            "height": HEIGHT,
            "width": pictures[0].shape[1],
            "sheet": jpeg(np.vstack(rows)),
        }


def _every(frames: Iterator[np.ndarray], every: int) -> Iterator[np.ndarray]:
    for frame in islice(frames, 0, None, every):
        yield small(frame, HEIGHT)
