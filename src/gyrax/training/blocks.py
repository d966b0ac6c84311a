"""What a phase trains on, as blocks: all of it at once, or some episodes at a time while the next are read.

An epoch goes over every block once and draws as many samples from each. Which episodes make a block, and the
order of its samples, follow from seed, phase, epoch and block by number, so that a resumed run sees the same.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int

from gyrax._errors import InputError
from gyrax._types import AnyArray, PRNGKey
from gyrax.data.store import FrameStore
from gyrax.training.phases import Data

Block = tuple[Data, Int[AnyArray, " samples"]]
"""Data on the device, and the samples to train on, in order."""


@dataclass(frozen=True)
class Whole:
    """One block: what is on the device already.

    **Fields:** `data`; `samples`, how many an epoch takes, the first ones.
    """

    data: Data
    samples: int
    count: int = 1

    @classmethod
    def of(cls, data: Data) -> "Whole":
        """All windows, or, where there are none, all frames."""
        return cls(data, len(data.index) or len(data.x))

    def start(self) -> Data:
        """What a phase is started from: the data."""
        return self.data

    def first(self) -> Data:
        """What a pass is compiled for: the data."""
        return self.data

    def waited(self) -> float:
        """Seconds that training has waited for data: none."""
        return 0.0

    def __call__(self, key: PRNGKey, epoch: int, begin: int) -> Iterator[Block]:
        """The block of an epoch."""
        del begin
        yield self.data, _order(key, epoch, self.samples)


@partial(jax.jit, static_argnums=2)
def _order(key: PRNGKey, epoch: Any, samples: int) -> Int[Array, " samples"]:
    return jr.permutation(jr.fold_in(jr.fold_in(key, 0), epoch), samples)


class Cut(NamedTuple):
    """How the episodes of a training split are cut into blocks.

    **Fields:** `episodes`; `frames` and `samples`, how many each has; `blocks`, how many an epoch has;
    `seed`, numbers from which every order follows.
    """

    episodes: Int[np.ndarray, " E"]
    frames: Int[np.ndarray, " E"]
    samples: Int[np.ndarray, " E"]
    blocks: int
    seed: tuple[int, ...]

    @classmethod
    def of(
        cls,
        store: FrameStore,
        episodes: Int[np.ndarray, " E"],
        samples: Int[np.ndarray, " E"],
        size: int,
        seed: tuple[int, ...],
    ) -> "Cut":
        """Blocks of about `size` bytes of features.

        Raises `InputError` where an episode is more than half of one: blocks would differ too much.
        """
        frames, bytes_a_frame = store.lengths[episodes], 4 * len(store.columns)
        blocks = max(1, -(-int(frames.sum()) * bytes_a_frame // size))
        longest = int(frames.max())
        if blocks > 1 and 2 * longest * bytes_a_frame > size:
            need = -(-2 * longest * bytes_a_frame // 10**6)
            raise InputError(
                f"{store.source}: episode {episodes[frames.argmax()]} has {longest} frames, more than half "
                f"of a block of {size // 10**6} MB; use --block-mb {need} or more."
            )
        return cls(episodes, frames, samples, blocks, seed)

    @property
    def least(self) -> int:
        """How many samples every block has, whichever its episodes."""
        return int(self.samples.sum()) // self.blocks - (
            int(self.samples.max()) if self.blocks > 1 else 0
        )

    def groups(self, epoch: int) -> list[Int[np.ndarray, " _"]]:
        """Numbers into `episodes`, of each block of an epoch; about as many samples in each."""
        order = np.random.default_rng([*self.seed, epoch]).permutation(len(self.episodes))
        middle = np.cumsum(self.samples[order]) - 0.5 * self.samples[order]
        borders = self.samples.sum() * np.arange(1, self.blocks) / self.blocks
        return np.split(order, np.searchsorted(middle, borders))

    def room(self, epochs: int) -> tuple[int, int]:
        """Frames and samples of the largest block of so many epochs."""
        groups = [group for epoch in range(epochs) for group in self.groups(epoch)]
        return max(int(self.frames[g].sum()) for g in groups), max(
            int(self.samples[g].sum()) for g in groups
        )

    def order(self, epoch: int, block: int, count: int) -> Int[np.ndarray, " least"]:
        """`least` of the `count` samples of a block, in random order."""
        rng = np.random.default_rng([*self.seed, epoch, block])
        return rng.permutation(count)[: self.least].astype(np.int32)


class Streamed:
    """Blocks that are read while the one before is trained on.

    `make(episodes)` is the data of some episodes on the host, `finish(data)` that on the device, with
    whatever else training needs.
    """

    def __init__(
        self,
        cut: Cut,
        epochs: int,
        make: Callable[[Int[np.ndarray, " E"]], Data],
        finish: Callable[[Data], Data],
    ):
        self.cut, self.make, self.finish = cut, make, finish
        self.count, self.samples = cut.blocks, cut.least
        self.room = cut.room(epochs)
        self._waited = 0.0

    def start(self) -> Data:
        """What a phase is started from: the first block of the first epoch."""
        return self.finish(self.make(self.cut.episodes[self.cut.groups(0)[0]]))

    def first(self) -> Data:
        """What a pass is compiled for: the same in the shape of all blocks."""
        data = self.make(self.cut.episodes[self.cut.groups(0)[0]])
        return self.finish(_filled(data, *self.room))

    def waited(self) -> float:
        """Seconds that training has waited for data."""
        return self._waited

    def __call__(self, key: PRNGKey, epoch: int, begin: int) -> Iterator[Block]:
        """The blocks of an epoch from number `begin` on."""
        del key
        groups = self.cut.groups(epoch)

        def read(block: int) -> Block:
            data = self.make(self.cut.episodes[groups[block]])
            count = int(self.cut.samples[groups[block]].sum())
            return _filled(data, *self.room), self.cut.order(epoch, block, count)

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, begin)
            for block in range(begin, self.count):
                asked = time.perf_counter()
                data, order = coming.result()
                self._waited += time.perf_counter() - asked
                if block + 1 < self.count:
                    coming = reader.submit(read, block + 1)
                yield self.finish(data), order


def _filled(data: Data, frames: int, samples: int) -> Data:
    """With rows of zeros behind, which no sample reads, so that all blocks have one shape."""

    def fill(array: Any, rows: int) -> Any:
        if array is None or len(array) == 0:
            return array
        return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])

    return Data(
        fill(data.x, frames), fill(data.actions, frames), fill(data.index, samples),
        fill(data.mask, samples), left=fill(data.left, frames),
    )  # fmt: skip
