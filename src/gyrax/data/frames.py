"""Data sets by their paths: feature caches, packed or not, and LeRobot folders."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gyrax._errors import InputError
from gyrax.data.features.cache import FeatureCache, is_cache, open_cache
from gyrax.data.features.packed import is_packed, open_packed
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.data.lerobot.proprioception import ACTION, column_names, side_by_side, state_keys
from gyrax.data.store import Frames, FrameStore, JoinedFrames, joined, offsets_of


def open_frames(path: str | Path) -> FrameStore:
    """The features and actions of a feature cache or of a LeRobot folder: in memory, or in the packed files
    of a cache that has them.

    The features of a folder are its proprioception and, if there is one, its environment state, in its
    own units; a cache of the backbone `state` gives the same numbers to within rounding. Raises
    `InputError` where either cannot be read, a cache is not complete, or a folder lacks
    `observation.state` or `action`.
    """
    path = Path(path)
    if not is_cache(path):
        return _of_folder(open_folder(path))
    packed = is_packed(path)
    cache = open_cache(path, packed=packed)
    return open_packed(cache) if packed else _of_cache(cache)


def open_all_frames(paths: Sequence[str | Path]) -> FrameStore:
    """Several data sets of the same columns as one, in the given order; see `open_frames`.

    Raises `InputError` where one cannot be read, or has other columns than the first.
    """
    parts = [open_frames(path) for path in paths]
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
    in_memory = [part for part in parts if isinstance(part, Frames)]
    return joined(in_memory) if len(in_memory) == len(parts) else JoinedFrames(tuple(parts))


def load_frames(path: str | Path) -> Frames:
    """The frames of a feature cache or of a LeRobot folder, in memory; see `open_frames`."""
    return open_frames(path).whole()


def load_all_frames(paths: Sequence[str | Path]) -> Frames:
    """Several data sets of the same columns as one, in memory; see `open_all_frames`."""
    return open_all_frames(paths).whole()


def _of_cache(cache: FeatureCache) -> Frames:
    episodes = [cache.frames(episode) for episode in range(cache.meta.episodes)]
    features, actions = zip(*episodes, strict=True)
    names = cache.meta.columns, cache.meta.action_columns
    return _joined(list(features), list(actions), *names, str(cache.path))


def _of_folder(folder: LeRobotFolder) -> Frames:
    keys = state_keys(folder)
    episodes = [folder.read(episode.index, [*keys, ACTION]) for episode in folder.episodes]
    features = [side_by_side(columns, keys) for columns in episodes]
    actions = [columns[ACTION] for columns in episodes]
    names = column_names(folder, keys), column_names(folder, [ACTION])
    return _joined(features, actions, *names, str(folder.path))


def _joined(
    features: list[np.ndarray],
    actions: list[np.ndarray],
    columns: tuple[str, ...],
    action_columns: tuple[str, ...],
    source: str,
) -> Frames:
    offsets = offsets_of(np.array([len(a) for a in actions]))
    both = [np.concatenate(arrays).astype(np.float32, copy=False) for arrays in (features, actions)]
    return Frames(both[0], both[1], offsets, columns, action_columns, source)
