"""Features of every frame of a LeRobot folder, computed by a backbone into a cache."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gyrax.data.features.cache import FeatureCache
from gyrax.data.features.fingerprint import fingerprint
from gyrax.data.features.meta import CacheMeta
from gyrax.data.lerobot.folder import LeRobotFolder
from gyrax.data.lerobot.proprioception import ACTION, STATE, column_names


@runtime_checkable
class Backbone(Protocol):
    """What computes features, and everything that they depend on.

    **Fields:** `name`; `columns`, a name for each feature; `settings`, for the cache's identity;
    `arguments`, those of the command line; `mean` and `scale`, which turn features into the data set's
    units (or are empty); `reads_video`.
    """

    name: str
    columns: tuple[str, ...]
    settings: dict[str, Any]
    arguments: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    reads_video: bool

    def blocks(self, episode: int) -> Iterator[np.ndarray]:
        """The features of one episode, float32 (frames, width), some frames at a time."""
        ...


def describe_cache(folder: LeRobotFolder, backbone: Backbone, episodes: int) -> CacheMeta:
    """What a cache says of itself that holds the features of the first `episodes` episodes."""
    return CacheMeta(
        backbone=backbone.name,
        settings=backbone.settings,
        arguments=backbone.arguments,
        dataset=str(folder.path.resolve()),
        fingerprint=fingerprint(folder.path, videos=backbone.reads_video),
        fps=folder.fps,
        tasks=folder.tasks,
        lengths=tuple(episode.length for episode in folder.episodes),
        columns=backbone.columns,
        state_columns=column_names(folder, [STATE]),
        action_columns=column_names(folder, [ACTION]),
        mean=tuple(backbone.mean.tolist()),
        scale=tuple(backbone.scale.tolist()),
        episodes=episodes,
    )


def extract_episode(
    cache: FeatureCache,
    folder: LeRobotFolder,
    backbone: Backbone,
    episode: int,
    progress: Callable[[int], object] = lambda frames: None,
) -> None:
    """Compute and store one episode; `progress` is called with the number of frames of each block."""
    blocks = []
    for block in backbone.blocks(episode):
        blocks.append(block)
        progress(len(block))
    columns = folder.read(episode, [STATE, ACTION, "task_index"])
    cache.write(
        episode,
        {
            "features": np.concatenate(blocks),
            "state": columns[STATE],
            "action": columns[ACTION],
            "task_index": columns["task_index"],
        },
    )
