"""A data folder as arrays of frames: features, actions, and where each episode begins."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gyrax._errors import InputError
from gyrax.data.lerobot import LeRobotFolder, open_folder

ACTION = "action"
STATES = ("observation.state", "observation.environment_state")


@dataclass(frozen=True)
class Frames:
    """All frames of a data set, episodes one after the other.

    **Fields:** `features`, float32 `(N, F)`; `actions`, float32 `(N, A)`; `offsets`, `(episodes + 1,)`,
    where each episode begins and the last one ends; `columns`, the name of each feature; `source`.
    """

    features: np.ndarray
    actions: np.ndarray
    offsets: np.ndarray
    columns: tuple[str, ...]
    source: str

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return len(self.offsets) - 1

    def rows(self, episodes: np.ndarray) -> np.ndarray:
        """Frame numbers of the given episodes, in order."""
        spans = [np.arange(int(self.offsets[e]), int(self.offsets[e + 1])) for e in episodes]
        return np.concatenate(spans)


def load_frames(path: str | Path) -> Frames:
    """Read the proprioception, the environment state if there is one, and the actions of a folder.

    Raises `InputError` where the folder cannot be read or lacks `observation.state` or `action`.
    """
    folder = open_folder(path)
    states = [key for key in STATES if key in folder.features]
    for key in (STATES[0], ACTION):
        if key not in folder.features:
            raise InputError(
                f"{folder.path}: has no column {key!r}, only {', '.join(folder.features)}; "
                f"training needs {STATES[0]!r} and {ACTION!r}."
            )
    features, actions = [], []
    for episode in range(len(folder.episodes)):
        columns = folder.read(episode, [*states, ACTION])
        features.append(np.concatenate([columns[key] for key in states], axis=1))
        actions.append(columns[ACTION])
    lengths = [len(a) for a in actions]
    return Frames(
        np.concatenate(features).astype(np.float32),
        np.concatenate(actions).astype(np.float32),
        np.concatenate([[0], np.cumsum(lengths)]),
        tuple(name for key in states for name in _names(folder, key)),
        str(folder.path),
    )


def _names(folder: LeRobotFolder, key: str) -> list[str]:
    feature = folder.features[key]
    names = feature.names or ()
    if len(names) != feature.width:  # published data sets have names that do not fit the shape
        names = tuple(str(i) for i in range(feature.width))
    return [f"{key}.{name}" for name in names]


NOISE_FLOOR = 0.02


@dataclass(frozen=True)
class Normaliser:
    """Mean and scale of features and actions over the training episodes.

    The scale of a column is its standard deviation, but at least `NOISE_FLOOR` times the median of
    its vector's: a column that hardly moves beside the others, such as the height of a cube that
    slides on a table, is contact or sensor noise, which full standardising would blow up to the size
    of the motion.
    """

    feature_mean: np.ndarray
    feature_std: np.ndarray
    action_mean: np.ndarray
    action_std: np.ndarray

    @classmethod
    def fit(cls, frames: Frames, episodes: np.ndarray) -> "Normaliser":
        """Statistics of these episodes alone. `InputError` for a column that is constant in them."""
        rows = frames.rows(episodes)
        moments = []
        action_names = [f"{ACTION}.{i}" for i in range(frames.actions.shape[1])]
        for values, names in (
            (frames.features[rows], frames.columns),
            (frames.actions[rows], action_names),
        ):
            mean = values.mean(0, dtype=np.float64)
            std = values.std(0, dtype=np.float64)
            flat = np.flatnonzero(std <= 1e-6 * (1.0 + np.abs(mean)))
            if flat.size:
                listed = ", ".join(names[i] for i in flat)
                raise InputError(
                    f"{frames.source}: constant over the training episodes: {listed}; a column that "
                    "never changes cannot be standardised: drop it from the data set."
                )
            scale = np.maximum(std, NOISE_FLOOR * np.median(std))
            moments += [mean.astype(np.float32), scale.astype(np.float32)]
        return cls(*moments)

    def __call__(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        """Standardised features and actions. `InputError` where their widths are others."""
        for what, have, want in (
            ("features", frames.features.shape[1], len(self.feature_mean)),
            ("action columns", frames.actions.shape[1], len(self.action_mean)),
        ):
            if have != want:
                raise InputError(
                    f"{frames.source}: has {have} {what}, the checkpoint was trained on {want}; "
                    "give the data set of the same robot and columns."
                )
        x = (frames.features - self.feature_mean) / self.feature_std
        a = (frames.actions - self.action_mean) / self.action_std
        return x.astype(np.float32), a.astype(np.float32)
