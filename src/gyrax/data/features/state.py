"""The backbone `state`: standardised proprioception and environment state, with no network."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gyrax.data.lerobot.folder import LeRobotFolder
from gyrax.data.lerobot.proprioception import column_names, side_by_side, state_keys
from gyrax.data.moments import Moments

DEFAULT_BATCH = 4096


class StateBackbone:
    """Features are (x − mean) / std of every state column, by the statistics of the whole data set.

    A column that never changes is only centred. Training undoes this, by the `mean` and `scale` of the
    cache, and standardises anew by its training episodes alone: so that nothing of the held-out
    episodes reaches it, and a cache trains as its folder does.
    """

    name = "state"
    reads_video = False

    def __init__(
        self,
        folder: LeRobotFolder,
        batch_size: int,
        progress: Callable[[int], object] = lambda frames: None,
    ):
        """Goes through the data set once; `progress` is called with the number of frames done."""
        self._folder, self._batch = folder, batch_size
        self._keys = state_keys(folder)
        self.columns = column_names(folder, self._keys)
        self.settings: dict[str, Any] = {}
        self.arguments: tuple[str, ...] = ("--backbone", "state")
        self.mean, self.scale = statistics(folder, self._keys, progress)

    def blocks(self, episode: int) -> Iterator[np.ndarray]:
        """The features of one episode, float32 (frames, width), some frames at a time."""
        values = side_by_side(self._folder.read(episode, self._keys), self._keys)
        for begin in range(0, len(values), self._batch):
            block = values[begin : begin + self._batch]
            yield ((block - self.mean) / self.scale).astype(np.float32)


def statistics(
    folder: LeRobotFolder,
    keys: Sequence[str],
    progress: Callable[[int], object] = lambda frames: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of these features side by side; 1 where a column never changes."""
    moments = Moments(sum(folder.features[key].width for key in keys))
    for episode in folder.episodes:
        moments.add(side_by_side(folder.read(episode.index, keys), keys))
        progress(episode.length)
    return moments.mean, np.where(moments.constant, 1.0, moments.std)
