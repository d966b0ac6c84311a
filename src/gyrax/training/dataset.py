"""A data set as a run sees it: standardised, split by episodes, cut into windows and blocks."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.data.store import Frames, FrameStore
from gyrax.data.windows import Windows, check_lengths, make_windows, split_episodes
from gyrax.model.system import System
from gyrax.runtime.processes import replicated
from gyrax.training.blocks import Cut, Streamed, Whole
from gyrax.training.phases import Data, Latents, Phase
from gyrax.training.settings import Settings
from gyrax.training.step import encode_all
from gyrax.training.support import Support

VALIDATION_WINDOWS = 2048
HELD_NUMBERS = 2**22
"""Features, of all frames together, of the episodes of a split that are held in memory at most."""
UNRELATED = 0.8
"""Mean square difference of neighbouring frames, as a share of that of any two, from which they count as
shuffled."""


@dataclass(frozen=True)
class Dataset:
    """Frames, how they are standardised, and the episodes of each split.

    `context` and `horizon` are those of a training window.
    """

    frames: FrameStore
    normaliser: Normaliser
    split: dict[str, np.ndarray]
    context: int
    horizon: int

    @classmethod
    def of(
        cls, frames: FrameStore, settings: Settings, normaliser: Normaliser | None = None
    ) -> "Dataset":
        """Standardise with the given statistics, or those of the training episodes.

        Raises `InputError` where the data set does not fit the settings or the statistics.
        """
        width, wanted = len(frames.action_columns), settings.data.action_dim
        if width != wanted:
            raise InputError(
                f"{frames.source}: actions have {width} columns, --action-dim is {wanted}; pass "
                f"--action-dim {width}."
            )
        split = split_episodes(frames.episodes, settings.data.val_fraction)
        if normaliser is None:
            history = settings.data.action_history
            normaliser = Normaliser.fit(frames, split["train"], history=history)
        normaliser.check(frames)
        context, horizon = settings.integration.context, settings.training.horizon
        return cls(frames, normaliser, split, context, horizon)

    @cached_property
    def loaded(self) -> Frames:
        """All frames, in memory."""
        return self.frames.whole()

    @property
    def x(self) -> Float[np.ndarray, "N F"]:
        """The standardised features of all frames, those that are constant in training left out."""
        return self._standardised[0]

    @property
    def actions(self) -> Float[np.ndarray, "N A"]:
        """The standardised actions of all frames, and their differences."""
        return self._standardised[1]

    @cached_property
    def _standardised(self) -> tuple[np.ndarray, np.ndarray]:
        return self.normaliser(self.loaded)

    @property
    def features(self) -> int:
        """How many features the model sees."""
        return int(self.normaliser.kept.sum())

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features in `x`."""
        return tuple(compress(self.frames.columns, self.normaliser.kept))

    def remarks(self, name: str) -> list[str]:
        """A line that names the columns that are left out, and a warning of those of them that move in the
        split `name`; nothing where there are none."""
        lines = []
        if constant := self.normaliser.left_out(self.frames):
            lines.append(
                "constant over the training episodes, so left out of the model and of all errors: "
                + ", ".join(constant)
            )
        if moving := self.normaliser.moving(self.frames, self.split[name]):
            lines.append(
                f"warning: constant over the training episodes but not over the {name} episodes, and "
                f"still left out of the model and of all errors: {', '.join(moving)}"
            )
        return lines

    @cached_property
    def support(self) -> Support:
        """What the actions of the training episodes are like."""
        return Support.fit(self.frames, self.split["train"])

    @cached_property
    def train_windows(self) -> Windows:
        """Of the training episodes, also those that run out of data."""
        shape = self.context, self.horizon
        return make_windows(self.frames, self.split["train"], *shape, padded=True)

    def check_lengths(self) -> None:
        """Raises `InputError` where an episode to train on or to validate with is shorter than a window."""
        for name in ("train", "val"):
            check_lengths(self.frames, self.split[name], self.context, self.horizon)

    def check_neighbours(self) -> None:
        """Raises `InputError` where frames that follow each other in the training episodes are as unlike as
        any two: then no time passes from one to the other, and distance cannot tell it."""
        squares, count = 0.0, 0
        for part in self.frames.parts(self.split["train"]):
            x, left = self.normaliser(part)[0], _left(part)
            change = (x[1:] - x[:-1])[left[:-1] > 0]
            squares, count = squares + float(np.sum(change**2, dtype=float)), count + change.size
        if squares > UNRELATED * 2.0 * count:  # of two unrelated standardised numbers
            raise InputError(
                f"{self.frames.source}: frames that follow each other are as unlike as any two, so that "
                "--w-reach has no neighbours to hold together; give episodes in the order of time."
            )

    def blocks(
        self, phase: Phase, system: System, settings: Settings, mesh: Mesh | None = None
    ) -> Whole | Streamed:
        """What a phase trains on: one block where all frames are in memory, or are few."""
        run, episodes = settings.training.run, self.split["train"]

        def make(chosen: np.ndarray) -> Data:
            return self._data(self.frames.read(chosen), phase, padded=True)

        def finish(data: Data) -> Data:
            data = replicated(jax.device_put(data), mesh)
            if not phase.encoder_frozen:
                return data
            decoder = replicated(system.decoder, mesh)
            return data._replace(latents=encode_all(system, data.x), decoder=decoder)

        lengths = self.frames.lengths[episodes]
        samples = lengths - self.context if phase.windows else lengths
        size = int(run.block_mb * 10**6)
        if not self.frames.in_memory:
            cut = Cut.of(self.frames, episodes, samples, size, (run.seed, phase.number))
            if cut.blocks > 1:
                return Streamed(cut, phase.epochs, make, finish)
        return Whole.of(finish(make(episodes)))

    def validation(self, phase: Phase) -> Data:
        """What a phase is validated on: frames, or windows, evenly chosen where there are many."""
        held = self.frames.read(self._few(self.split["val"]))
        data = self._data(held, phase, padded=False)
        if not phase.windows:
            return jax.device_put(data)
        count = len(data.index)
        keep = np.unique(np.linspace(0, count - 1, VALIDATION_WINDOWS).astype(int))
        return jax.device_put(data._replace(index=data.index[keep], mask=data.mask[keep]))

    def held(self, *names: str) -> "Dataset":
        """These splits alone as a data set in memory, evenly chosen episodes of each where there are many;
        itself where all frames are in memory."""
        if self.frames.in_memory:
            return self
        chosen = {name: self._few(self.split[name]) for name in names}
        borders = np.cumsum([0, *map(len, chosen.values())])
        ranges = {n: np.arange(*borders[i : i + 2]) for i, n in enumerate(names)}
        frames = self.frames.read(np.concatenate(list(chosen.values())))
        none = {name: np.zeros(0, int) for name in self.split}
        return replace(self, frames=frames, split=none | ranges)

    def _few(self, episodes: np.ndarray) -> np.ndarray:
        """Some of the episodes, with about `HELD_NUMBERS` features at most."""
        share = HELD_NUMBERS / (self.frames.lengths[episodes].sum() * len(self.frames.columns))
        count = max(1, int(min(1.0, share) * len(episodes)))
        return episodes[np.linspace(0, len(episodes) - 1, count).astype(int)]

    def training_windows(self, latents: Latents, decoder: eqx.Module | None = None) -> Data:
        """The training windows of phase 2 on known latents."""
        train = self.train_windows
        arrays = (self.x, self.actions, train.index, train.mask, latents)
        return Data(*jax.device_put(arrays))._replace(decoder=decoder)

    def _data(self, frames: Frames, phase: Phase, *, padded: bool) -> Data:
        """What a phase reads of these frames, on the host."""
        x, actions = self.normaliser(frames)
        if not phase.windows:
            none = np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32)
            return Data(x, actions, *none, left=_left(frames))
        shape = self.context, self.horizon
        windows = make_windows(frames, np.arange(frames.episodes), *shape, padded=padded)
        return Data(x, actions, windows.index, windows.mask)


def _left(frames: Frames) -> np.ndarray:
    """How many frames of its episode follow each frame."""
    return np.concatenate([np.arange(n)[::-1] for n in frames.lengths]).astype(np.int32)
