"""What a LeRobot folder holds, and what in it would trouble training, found in one pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyrax.data.lerobot.files import is_there
from gyrax.data.lerobot.folder import LeRobotFolder
from gyrax.data.lerobot.proprioception import ACTION, STATE, STATES
from gyrax.data.lerobot.schema import NUMERIC_DTYPES, Episode
from gyrax.data.moments import Moments

STATISTICS = ("min", "max", "mean", "std")
TIME = "timestamp"
TIME_TOLERANCE = 0.01
"""In frames: how far a timestamp may be from its frame number over fps, beside float32's rounding."""


def inspect_folder(
    folder: LeRobotFolder, progress: Callable[[int], object] = lambda frames: None
) -> dict[str, Any]:
    """A report on an opened folder, one episode in memory at a time.

    Its keys are `version`, `robot`, `fps`, `episodes`, `frames`, `tasks`, `features` and `warnings`.
    `progress` is called with the number of frames done since its last call.
    """
    findings = _Findings(folder)
    for episode in folder.episodes:
        findings.add(episode)
        progress(episode.length)
    return {
        "version": folder.version,
        "robot": folder.robot,
        "fps": folder.fps,
        "episodes": len(folder.episodes),
        "frames": folder.frames,
        "tasks": list(folder.tasks),
        "features": {
            key: _described(folder, key, findings.moments.get(key)) for key in folder.features
        },
        "warnings": [
            *_layout_warnings(folder),
            *findings.warnings(),
            *_video_warnings(folder),
        ],
    }


@dataclass
class _Count:
    """How many frames have some trouble, and the first that has."""

    frames: int = 0
    episode: int = 0
    first: int = 0

    def add(self, episode: int, frames: np.ndarray) -> None:
        if frames.size and not self.frames:
            self.episode, self.first = episode, int(frames[0])
        self.frames += frames.size


class _Findings:
    """What one pass over the episodes gathers: ranges, and frames with some trouble."""

    def __init__(self, folder: LeRobotFolder):
        self.folder = folder
        self.moments = {
            key: Moments(feature.width)
            for key, feature in folder.features.items()
            if feature.dtype in NUMERIC_DTYPES
        }
        observed = (k for k in self.moments if k == ACTION or k.startswith("observation."))
        self.not_finite = {key: _Count() for key in observed}
        self.repeated = _Count()
        self.mistimed: list[str] = []

    def add(self, episode: Episode) -> None:
        """Take in one episode."""
        columns = self.folder.read(episode.index, list(self.moments), finite=False)
        same = np.full(episode.length - 1, bool(self.not_finite))
        for key, values in columns.items():
            self.moments[key].add(values)
            if key in self.not_finite:
                self.not_finite[key].add(episode.index, np.flatnonzero(~np.isfinite(values).all(1)))
                same &= (values[1:] == values[:-1]).all(1)
        self.repeated.add(episode.index, np.flatnonzero(same) + 1)
        if TIME in columns:
            self._check_times(episode, columns[TIME][:, 0].astype(np.float64))

    def _check_times(self, episode: Episode, times: np.ndarray) -> None:
        expected = np.arange(episode.length) / self.folder.fps
        allowed = TIME_TOLERANCE / self.folder.fps + np.finfo(np.float32).eps * expected
        wrong = np.flatnonzero(~(np.abs(times - expected) <= allowed))
        if wrong.size:
            i = wrong[0]
            self.mistimed.append(
                f"episode {episode.index}, frame {i}: {times[i]:.4f} s, expected {expected[i]:.4f} s"
            )

    def warnings(self) -> list[str]:
        """One line for each kind of trouble."""
        folder, warnings = self.folder, []
        for key, bad in self.not_finite.items():
            moments, names = self.moments[key], folder.names(key)
            if bad.frames:
                columns = ", ".join(names[i] for i in np.flatnonzero(moments.bad))
                warnings.append(
                    f"{key}: NaN or infinite in {bad.frames} of {folder.frames} frames (first in "
                    f"episode {bad.episode}, frame {bad.first}; columns: {columns}); training refuses this"
                )
            constant = np.flatnonzero(moments.constant)
            if constant.size:
                columns = ", ".join(f"{names[i]} = {moments.mean[i]:g}" for i in constant)
                warnings.append(f"{key}: constant columns: {columns}; {self._outcome(key)}")
        repeated = self.repeated
        if repeated.frames:
            warnings.append(
                f"{repeated.frames} of {folder.frames} frames repeat the frame before in every state and "
                f"action column (first: episode {repeated.episode}, frame {repeated.first})"
            )
        if self.mistimed:
            warnings.append(
                f"timestamps disagree with {folder.fps:g} fps in {len(self.mistimed)} of "
                f"{len(folder.episodes)} episodes (first: {self.mistimed[0]})"
            )
        return warnings

    def _outcome(self, key: str) -> str:
        """What training does about the constant columns of `key`."""
        keys = (ACTION,) if key == ACTION else STATES
        varying = [k for k in keys if k in self.moments and not self.moments[k].constant.all()]
        if varying or key not in keys:
            return "training leaves these out"
        what = "action" if key == ACTION else "state"
        return f"training refuses a data set in which no {what} changes"


def _described(folder: LeRobotFolder, key: str, moments: Moments | None) -> dict[str, Any]:
    feature = folder.features[key]
    described: dict[str, Any] = {
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "names": None if feature.names is None else list(feature.names),
    }
    if moments is None:
        return described
    statistics = moments.low, moments.high, moments.mean, moments.std
    for name, values in zip(STATISTICS, statistics, strict=True):
        pairs = zip(values.tolist(), moments.known, strict=True)
        described[name] = [value if known else None for value, known in pairs]
    return described


def _layout_warnings(folder: LeRobotFolder) -> list[str]:
    state, action = (folder.features.get(key) for key in (STATE, ACTION))
    missing = [key for key in (STATE, ACTION) if key not in folder.features]
    warnings = [f"there is no {key}, which training needs" for key in missing]
    if state is not None and action is not None and state.width != action.width:
        warnings.append(f"{ACTION} has {action.width} values a frame, {STATE} {state.width}")
    if len(folder.episodes) < 3:
        warnings.append("fewer than 3 episodes: too few to train, validate and test on")
    short = [episode for episode in folder.episodes if episode.length < folder.fps]
    if short:
        least = min(short, key=lambda episode: episode.length)
        warnings.append(
            f"{len(short)} of {len(folder.episodes)} episodes are shorter than a second (the shortest "
            f"is episode {least.index} with {least.length} frames)"
        )
    return warnings


def _video_warnings(folder: LeRobotFolder) -> list[str]:
    warnings = []
    for key in folder.cameras:
        files = dict.fromkeys(clip.file for clip in folder.clips(key))
        missing = [file for file in files if not is_there(file, folder=False)]
        if missing:
            warnings.append(
                f"{key}: {len(missing)} of {len(files)} video files are missing (first: "
                f"{missing[0].relative_to(folder.path)})"
            )
    return warnings
