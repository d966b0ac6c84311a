"""LeRobotDataset folders, version 3.0 and 2.1, read episode by episode with pyarrow and numpy."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from gyrax._errors import InputError
from gyrax.data.lerobot import v21, v30
from gyrax.data.lerobot.checks import REMEDY, show, show_all
from gyrax.data.lerobot.columns import ColumnReader
from gyrax.data.lerobot.files import is_there, read_json
from gyrax.data.lerobot.schema import (
    NUMERIC_DTYPES,
    Clip,
    Episode,
    Feature,
    Info,
    check_totals,
    parse_info,
)

DEFAULT_FOLDER: Path = Path(__file__).parents[1] / "default"
"""The data set that comes with the package: a simulated arm beside a cube."""

_VERSIONS = {"v3.0": v30, "v2.1": v21}


@dataclass(frozen=True)
class LeRobotFolder:
    """An opened folder: checked metadata, and frames on demand."""

    path: Path
    version: str
    robot: str | None
    fps: float
    features: dict[str, Feature]
    episodes: tuple[Episode, ...]
    tasks: tuple[str, ...]
    _info: Info = field(repr=False, compare=False)
    _reader: ColumnReader = field(repr=False, compare=False)

    @property
    def frames(self) -> int:
        """Number of frames of all episodes together."""
        return sum(episode.length for episode in self.episodes)

    @property
    def cameras(self) -> tuple[str, ...]:
        """The features that are videos."""
        return tuple(key for key, feature in self.features.items() if feature.dtype == "video")

    def names(self, key: str) -> tuple[str, ...]:
        """A name for each component of a feature: its number where the folder has none that fit."""
        names, width = self.features[key].names or (), self.features[key].width
        return names if len(names) == width else tuple(str(i) for i in range(width))

    def read(
        self, episode: SupportsIndex, keys: Sequence[str], *, finite: bool = True
    ) -> dict[str, np.ndarray]:
        """The columns `keys` of one episode, each (length, width), float32 or int64.

        Raises `InputError` for an unknown episode or key and for unusable content: a wrong number
        of rows, indices or values, a null, and where they must be `finite`, NaN or infinity.
        """
        wanted = (keys,) if isinstance(keys, str) else tuple(keys)
        features = {key: self._numeric(key) for key in wanted}
        return self._reader.read(self._episode(episode), features, finite=finite)

    def clips(self, key: str) -> tuple[Clip, ...]:
        """Where the frames of camera `key` are, for each episode.

        Raises `InputError` for an unknown camera and for unusable metadata of its videos.
        """
        if key not in self.cameras:
            raise InputError(
                f"{self.path}: has no camera {show(key)}, expected one of {show_all(self.cameras)}; "
                "choose one of these"
            )
        return _VERSIONS[self.version].read_clips(self._info, key, self.episodes)

    def _episode(self, episode: SupportsIndex) -> Episode:
        try:
            number = operator.index(episode)
        except TypeError:
            number = -1
        if not 0 <= number < len(self.episodes):
            raise InputError(
                f"{self.path}: has no episode {show(episode)}, expected an integer from 0 to "
                f"{len(self.episodes) - 1}; choose one of these"
            )
        return self.episodes[number]

    def _numeric(self, key: str) -> Feature:
        feature = self.features.get(key)
        if feature is None or feature.dtype not in NUMERIC_DTYPES:
            numeric = [name for name, f in self.features.items() if f.dtype in NUMERIC_DTYPES]
            kind = "no feature" if feature is None else f"only a {feature.dtype} feature"
            raise InputError(
                f"{self.path}: has {kind} {show(key)}, expected one of its numeric features: "
                f"{show_all(numeric)}; choose one of these"
            )
        return feature


def open_folder(path: str | PathLike[str]) -> LeRobotFolder:
    """Open a LeRobotDataset folder of version 3.0 or 2.1: reads and checks its metadata only.

    Raises `InputError` where the folder or its metadata are unusable.
    """
    folder = Path(path)
    info_file = folder / "meta" / "info.json"
    if not is_there(folder, folder=True):
        raise InputError(
            f"{folder}: no such folder, or no permission, expected a LeRobot folder; check the path"
        )
    if not is_there(info_file, folder=False):
        raise InputError(
            f"{folder}: holds no meta/info.json, expected a LeRobot folder (v3.0 or v2.1); "
            f"give the folder that directly contains meta/ and data/"
        )
    raw = read_json(info_file)
    version = raw.get("codebase_version") if isinstance(raw, dict) else None
    if not isinstance(version, str) or version not in _VERSIONS:
        raise InputError(
            f"{info_file}: codebase_version is {show(version)}, expected v3.0 or v2.1; "
            f"convert the folder with the lerobot package"
        )
    info = parse_info(info_file, raw)
    metadata = _VERSIONS[version]
    tasks, episodes = metadata.read_tasks(folder), metadata.read_episodes(folder, info)
    check_totals(info, episodes, tasks)
    rows: dict[Path, int] = {}
    for episode in episodes:
        rows[episode._file] = rows.get(episode._file, 0) + episode.length
    for file in rows:
        if not is_there(file, folder=False):
            raise InputError(f"{file}: missing, expected a parquet file with episodes; {REMEDY}")
    return LeRobotFolder(
        path=folder,
        version=version,
        robot=info.robot,
        fps=info.fps,
        features=info.features,
        episodes=episodes,
        tasks=tasks,
        _info=info,
        _reader=ColumnReader(rows),
    )
