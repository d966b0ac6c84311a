"""A data set as arrays of frames: features, actions, and where each episode begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gyrax._errors import InputError
from gyrax.data.features.cache import FeatureCache, is_cache, open_cache
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.data.moments import is_constant

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

    def action_differences(self, history: int) -> list[np.ndarray]:
        """Actions, and their backward differences of order 1 … history − 1, each `(N, A)`.

        The first action of an episode counts as given ever since, so that differences begin at zero.
        """
        differences = [self.actions]
        for _ in range(history - 1):
            change = np.diff(differences[-1], axis=0, prepend=differences[-1][:1])
            change[self.offsets[:-1]] = 0.0
            differences.append(change)
        return differences

    def rows(self, episodes: np.ndarray) -> np.ndarray:
        """Frame numbers of the given episodes, in order."""
        spans = [np.arange(int(self.offsets[e]), int(self.offsets[e + 1])) for e in episodes]
        return np.concatenate(spans)


def load_frames(path: str | Path) -> Frames:
    """Read the features and actions of a feature cache or of a LeRobot folder.

    The features of a folder are its proprioception and, if there is one, its environment state, in its
    own units; a cache of the backbone `state` gives the same numbers to within rounding. Raises
    `InputError` where either cannot be read, a cache is not complete, or a folder lacks
    `observation.state` or `action`.
    """
    path = Path(path)
    return _cached(open_cache(path)) if is_cache(path) else _proprioception(open_folder(path))


def _cached(cache: FeatureCache) -> Frames:
    meta = cache.meta
    episodes = [cache.read(episode) for episode in range(meta.episodes)]
    features = np.concatenate([episode["features"] for episode in episodes])
    if meta.mean:
        features = features * np.array(meta.scale) + np.array(meta.mean)
    return _joined(
        features, [episode["action"] for episode in episodes], meta.columns, str(cache.path)
    )


def _proprioception(folder: LeRobotFolder) -> Frames:
    keys = state_keys(folder)
    episodes = [folder.read(episode.index, [*keys, ACTION]) for episode in folder.episodes]
    features = [np.concatenate([columns[key] for key in keys], axis=1) for columns in episodes]
    actions = [columns[ACTION] for columns in episodes]
    return _joined(np.concatenate(features), actions, column_names(folder, keys), str(folder.path))


def _joined(
    features: np.ndarray, actions: list[np.ndarray], columns: tuple[str, ...], source: str
) -> Frames:
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in actions])])
    joined = np.concatenate(actions).astype(np.float32)
    return Frames(features.astype(np.float32), joined, offsets, columns, source)


def state_keys(folder: LeRobotFolder) -> list[str]:
    """The state features that a folder has. `InputError` where training could not use it."""
    for key in (STATES[0], ACTION):
        if key not in folder.features:
            raise InputError(
                f"{folder.path}: has no column {key!r}, only {', '.join(folder.features)}; "
                f"training needs {STATES[0]!r} and {ACTION!r}."
            )
    return [key for key in STATES if key in folder.features]


def column_names(folder: LeRobotFolder, keys: Sequence[str]) -> tuple[str, ...]:
    """A name for each component of these features, one after the other."""
    return tuple(f"{key}.{name}" for key in keys for name in folder.names(key))


NOISE_FLOOR = 0.02


@dataclass(frozen=True)
class Normaliser:
    """Mean and scale of features and actions over the training episodes.

    With a `history` of several actions, each action comes with its backward differences, which have
    statistics of their own.

    The scale of a column is its standard deviation, but at least `NOISE_FLOOR` times the median of
    its vector's: a column that hardly moves beside the others, such as the height of a cube that
    slides on a table, is contact or sensor noise, which full standardising would blow up to the size
    of the motion.
    """

    feature_mean: np.ndarray
    feature_std: np.ndarray
    action_mean: np.ndarray
    action_std: np.ndarray
    history: int = 1

    @classmethod
    def fit(cls, frames: Frames, episodes: np.ndarray, *, history: int = 1) -> "Normaliser":
        """Statistics of these episodes alone. `InputError` for a column that is constant in them."""
        rows = frames.rows(episodes)
        names = tuple(f"{ACTION}.{i}" for i in range(frames.actions.shape[1]))
        columns = [(frames.features, frames.columns)]
        for order, values in enumerate(frames.action_differences(history)):
            columns.append((values, tuple(name + "'" * order for name in names)))
        means, scales = [], []
        for values, names in ((values[rows], names) for values, names in columns):
            mean = values.mean(0, dtype=np.float64)
            std = values.std(0, dtype=np.float64)
            flat = np.flatnonzero(is_constant(mean, std))
            if flat.size:
                listed = ", ".join(names[i] for i in flat)
                raise InputError(
                    f"{frames.source}: constant over the training episodes: {listed}; a column that "
                    "never changes cannot be standardised: drop it from the data set."
                )
            scale = np.maximum(std, NOISE_FLOOR * np.median(std))
            means.append(mean.astype(np.float32))
            scales.append(scale.astype(np.float32))
        mean, scale = np.concatenate(means[1:]), np.concatenate(scales[1:])
        return cls(means[0], scales[0], mean, scale, history)

    def __call__(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        """Standardised features, and actions with their differences.

        `InputError` where their widths are others.
        """
        for what, have, want in (
            ("features", frames.features.shape[1], len(self.feature_mean)),
            ("action columns", frames.actions.shape[1], len(self.action_mean) // self.history),
        ):
            if have != want:
                raise InputError(
                    f"{frames.source}: has {have} {what}, the checkpoint was trained on {want}; "
                    "give the data set of the same robot and columns."
                )
        x = (frames.features - self.feature_mean) / self.feature_std
        actions = np.concatenate(frames.action_differences(self.history), axis=1)
        a = (actions - self.action_mean) / self.action_std
        return x.astype(np.float32), a.astype(np.float32)
