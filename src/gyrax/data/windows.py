"""Episodes into splits, and splits into windows, by integer frame numbers alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gyrax._errors import InputError
from gyrax.data.store import FrameStore

SPLITS = ("train", "val", "test")
HELD_OUT = 0.1
SPLIT_SEED = 0


def split_episodes(count: int, held_out: float = HELD_OUT) -> dict[str, Int[np.ndarray, " _"]]:
    """A share `held_out` of the episodes to choose by, as many to report on, the rest to train on.

    The same for every run, and at least one episode each. Raises `InputError` for fewer than three.
    """
    if count < 3:
        raise InputError(
            f"the data set has {count} episodes; a split into training, validation and test "
            "episodes needs at least 3."
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    share = min(max(1, round(held_out * count)), (count - 1) // 2)
    parts = np.split(order, [count - 2 * share, count - share])
    return {name: np.sort(part) for name, part in zip(SPLITS, parts, strict=True)}


@dataclass(frozen=True)
class Windows:
    """Windows of `context + horizon` consecutive frames that never cross an episode.

    **Fields:** `index`, frame numbers; `mask`, zero where a window goes past the end of its episode
    (there the last frame is repeated); `episode`, of each window.
    """

    index: Int[np.ndarray, "windows context_and_horizon"]
    mask: Float[np.ndarray, "windows horizon"]
    episode: Int[np.ndarray, " windows"]
    context: int

    def __len__(self) -> int:
        return len(self.index)


def check_lengths(
    frames: FrameStore, episodes: Int[np.ndarray, " E"], context: int, horizon: int
) -> None:
    """Raise `InputError` for an episode that is shorter than one window."""
    length, found = context + horizon, frames.lengths[episodes]
    if (short := np.flatnonzero(found < length)).size:
        raise InputError(
            f"{frames.source}: episode {episodes[short[0]]} has {found[short[0]]} frames, a window needs "
            f"{length} ({context} of context and {horizon} to predict); use a smaller --sequence-length "
            "or leave the episode out."
        )


def make_windows(
    frames: FrameStore, episodes: Int[np.ndarray, " E"], context: int, horizon: int, *, padded: bool
) -> Windows:
    """Every window of the given episodes; with `padded`, also those that run out of data.

    Raises `InputError` for an episode that is shorter than one window.
    """
    length = context + horizon
    check_lengths(frames, episodes, context, horizon)
    index, mask, owner = [], [], []
    for e in episodes:
        begin, end = int(frames.offsets[e]), int(frames.offsets[e + 1])
        last = end - context - 1 if padded else end - length
        rows = np.arange(begin, last + 1)[:, None] + np.arange(length)
        index.append(np.minimum(rows, end - 1))
        mask.append(rows[:, context:] < end)
        owner.append(np.full(len(rows), e))
    return Windows(
        np.concatenate(index).astype(np.int32),
        np.concatenate(mask).astype(np.float32),
        np.concatenate(owner),
        context,
    )
