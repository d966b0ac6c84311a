"""Where frames come from: memory, or files that are read some episodes at a time."""

import abc
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

PART = 2**26
"""Bytes of a part of a data set, each number counted as eight: statistics are of float64."""


class FrameStore(abc.ABC):
    """All frames of a data set, episodes one after the other.

    **Fields:** `offsets`, where each episode begins and the last one ends; `columns` and `action_columns`,
    the name of each feature and action; `source`, the path.
    """

    offsets: Int[np.ndarray, " borders"]
    columns: tuple[str, ...]
    action_columns: tuple[str, ...]
    source: str

    @abc.abstractmethod
    def read(self, episodes: Int[np.ndarray, " E"]) -> "Frames":
        """The frames of these episodes, in this order, in memory."""

    @property
    @abc.abstractmethod
    def in_memory(self) -> bool:
        """Whether all frames are."""

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """SHA-256 of features, actions and offsets, hexadecimal: which data a result belongs to."""

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int[np.ndarray, " E"]:
        """How many frames each episode has."""
        return np.diff(self.offsets)

    def rows(self, episodes: Int[np.ndarray, " E"]) -> Int[np.ndarray, " M"]:
        """Frame numbers of the given episodes, in order."""
        spans = [np.arange(int(self.offsets[e]), int(self.offsets[e + 1])) for e in episodes]
        return np.concatenate(spans)

    def parts(self, episodes: Int[np.ndarray, " E"]) -> Iterator["Frames"]:
        """The frames of these episodes, as many episodes at a time as `PART` has room for, at least one."""
        room = PART // (8 * max(len(self.columns), 1))
        filled = np.cumsum(self.lengths[episodes]) // max(room, 1)
        for chosen in np.split(episodes, np.flatnonzero(np.diff(filled)) + 1):
            yield self.read(chosen)

    def whole(self) -> "Frames":
        """All frames in memory."""
        return self.read(np.arange(self.episodes))


@dataclass(frozen=True)
class Frames(FrameStore):
    """Frames in memory.

    **Fields:** those of [`FrameStore`][], and `features` and `actions`, float32.
    """

    features: Float[np.ndarray, "N F"]
    actions: Float[np.ndarray, "N A"]
    offsets: Int[np.ndarray, " borders"]
    columns: tuple[str, ...]
    action_columns: tuple[str, ...]
    source: str

    @property
    def in_memory(self) -> bool:
        """Yes."""
        return True

    @cached_property
    def digest(self) -> str:
        """SHA-256 of features, actions and offsets, hexadecimal: which data a result belongs to."""
        return digest_of(self)

    def read(self, episodes: Int[np.ndarray, " E"]) -> "Frames":
        """The frames of these episodes, in this order; itself where they are all."""
        if np.array_equal(episodes, np.arange(self.episodes)):
            return self
        rows = self.rows(episodes)
        return Frames(
            self.features[rows],
            self.actions[rows],
            offsets_of(self.lengths[episodes]),
            self.columns,
            self.action_columns,
            self.source,
        )

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


@dataclass(frozen=True)
class JoinedFrames(FrameStore):
    """Several stores of the same columns, one after the other."""

    stores: tuple[FrameStore, ...]

    def __post_init__(self) -> None:
        """What is common to them."""
        facts = {
            "offsets": offsets_of(np.concatenate([store.lengths for store in self.stores])),
            "columns": self.stores[0].columns,
            "action_columns": self.stores[0].action_columns,
            "source": ", ".join(store.source for store in self.stores),
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    @property
    def in_memory(self) -> bool:
        """Whether all of them are."""
        return all(store.in_memory for store in self.stores)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of theirs."""
        return hashlib.sha256("".join(s.digest for s in self.stores).encode()).hexdigest()

    def read(self, episodes: Int[np.ndarray, " E"]) -> Frames:
        """The frames of these episodes, in this order."""
        first = np.cumsum([0, *(store.episodes for store in self.stores)])
        owner = np.searchsorted(first, episodes, side="right") - 1
        runs = np.split(np.arange(len(episodes)), np.flatnonzero(np.diff(owner)) + 1)
        pieces = [self.stores[owner[r[0]]].read(episodes[r] - first[owner[r[0]]]) for r in runs]
        return joined(pieces)


def joined(parts: Sequence[Frames]) -> Frames:
    """Frames of the same columns, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Frames(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.actions for part in parts]),
        offsets_of(np.concatenate([part.lengths for part in parts])),
        parts[0].columns,
        parts[0].action_columns,
        ", ".join(dict.fromkeys(part.source for part in parts)),
    )


def digest_of(store: FrameStore) -> str:
    """SHA-256 of all features, then all actions, then the offsets, hexadecimal; read a part at a time."""
    digest, every = hashlib.sha256(), np.arange(store.episodes)
    for name in ("features", "actions"):
        for part in store.parts(every):
            digest.update(np.ascontiguousarray(getattr(part, name)).data)
    digest.update(store.offsets.tobytes())
    return digest.hexdigest()


def offsets_of(lengths: Int[np.ndarray, " E"]) -> Int[np.ndarray, " borders"]:
    """Where episodes of these lengths begin, and the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])
