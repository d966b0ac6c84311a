"""A data set as arrays of frames: features, actions, and where each episode begins."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from gyrax._errors import InputError
from gyrax.data.features.cache import FeatureCache, is_cache, open_cache
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.data.lerobot.proprioception import ACTION, column_names, side_by_side, state_keys


@dataclass(frozen=True)
class Frames:
    """All frames of a data set, episodes one after the other.

    **Fields:** `features` and `actions`, float32; `offsets`, where each episode begins and the last one
    ends; `columns` and `action_columns`, the name of each feature and action; `source`, the path.
    """

    features: Float[np.ndarray, "N F"]
    actions: Float[np.ndarray, "N A"]
    offsets: Int[np.ndarray, " borders"]
    columns: tuple[str, ...]
    action_columns: tuple[str, ...]
    source: str

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return len(self.offsets) - 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of features, actions and offsets, hexadecimal: which data a result belongs to."""
        digest = hashlib.sha256()
        for array in (self.features, self.actions, self.offsets):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def action_differences(self, history: int) -> list[Float[np.ndarray, "N A"]]:
        """Actions, and their backward differences of order 1 … history − 1.

        The first action of an episode counts as given ever since, so that differences begin at zero.
        """
        differences = [self.actions]
        for _ in range(history - 1):
            change = np.diff(differences[-1], axis=0, prepend=differences[-1][:1])
            change[self.offsets[:-1]] = 0.0
            differences.append(change)
        return differences

    def rows(self, episodes: Int[np.ndarray, " E"]) -> Int[np.ndarray, " M"]:
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
    return _of_cache(open_cache(path)) if is_cache(path) else _of_folder(open_folder(path))


def load_all_frames(paths: Sequence[str | Path]) -> Frames:
    """Several data sets of the same columns as one, in the given order; see `load_frames`.

    Raises `InputError` where one cannot be read, or has other columns than the first.
    """
    parts = [load_frames(path) for path in paths]
    first = parts[0]
    for part in parts[1:]:
        for what, names, wanted in (
            ("features", part.columns, first.columns),
            ("actions", part.action_columns, first.action_columns),
        ):
            if names != wanted:
                strange = sorted(set(names) ^ set(wanted))[:3] or ["their order"]
                raise InputError(
                    f"{part.source}: has other {what} than {first.source} ({', '.join(strange)}); give data "
                    "sets of one robot with the same columns."
                )
    if len(parts) == 1:
        return first
    borders = np.cumsum([0, *(int(part.offsets[-1]) for part in parts)])
    offsets = [part.offsets[:-1] + at for part, at in zip(parts, borders, strict=False)]
    return Frames(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.actions for part in parts]),
        np.concatenate([*offsets, borders[-1:]]),
        first.columns,
        first.action_columns,
        ", ".join(part.source for part in parts),
    )


def _of_cache(cache: FeatureCache) -> Frames:
    meta = cache.meta
    episodes = [cache.read(episode) for episode in range(meta.episodes)]
    features = np.concatenate([episode["features"] for episode in episodes])
    if meta.mean:
        features = features * np.array(meta.scale) + np.array(meta.mean)
    actions = [episode["action"] for episode in episodes]
    return _joined(features, actions, meta.columns, meta.action_columns, str(cache.path))


def _of_folder(folder: LeRobotFolder) -> Frames:
    keys = state_keys(folder)
    episodes = [folder.read(episode.index, [*keys, ACTION]) for episode in folder.episodes]
    features = [side_by_side(columns, keys) for columns in episodes]
    actions = [columns[ACTION] for columns in episodes]
    names = column_names(folder, keys), column_names(folder, [ACTION])
    return _joined(np.concatenate(features), actions, *names, str(folder.path))


def _joined(
    features: np.ndarray,
    actions: list[np.ndarray],
    columns: tuple[str, ...],
    action_columns: tuple[str, ...],
    source: str,
) -> Frames:
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in actions])])
    joined = np.concatenate(actions).astype(np.float32)
    return Frames(features.astype(np.float32), joined, offsets, columns, action_columns, source)
