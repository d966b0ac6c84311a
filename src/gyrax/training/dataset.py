"""A data set as a run sees it: standardised, split by episodes, cut into windows."""

from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.data.frames import Frames
from gyrax.data.normaliser import Normaliser
from gyrax.data.windows import Windows, make_windows, split_episodes
from gyrax.model.system import System
from gyrax.runtime.processes import replicated
from gyrax.training.phases import Data, Latents, Phase
from gyrax.training.settings import Settings
from gyrax.training.step import encode_all
from gyrax.training.support import Support

VALIDATION_WINDOWS = 2048
UNRELATED = 0.8
"""Mean square difference of neighbouring frames, as a share of that of any two, from which they count as
shuffled."""


@dataclass(frozen=True)
class Dataset:
    """Standardised features `x` (N, F) and `actions` (N, A) of all frames, and the episodes of each split.

    Features that are constant over the training episodes are not among `x`.
    `context` and `horizon` are those of a training window.
    """

    frames: Frames
    normaliser: Normaliser
    x: Float[np.ndarray, "N F"]
    actions: Float[np.ndarray, "N A"]
    split: dict[str, np.ndarray]
    context: int
    horizon: int

    @classmethod
    def of(
        cls, frames: Frames, settings: Settings, normaliser: Normaliser | None = None
    ) -> "Dataset":
        """Standardise with the given statistics, or those of the training episodes.

        Raises `InputError` where the data set does not fit the settings or the statistics.
        """
        width, wanted = frames.actions.shape[1], settings.data.action_dim
        if width != wanted:
            raise InputError(
                f"{frames.source}: actions have {width} columns, --action-dim is {wanted}; pass "
                f"--action-dim {width}."
            )
        split = split_episodes(frames.episodes, settings.data.val_fraction)
        if normaliser is None:
            history = settings.data.action_history
            normaliser = Normaliser.fit(frames, split["train"], history=history)
        x, actions = normaliser(frames)
        context, horizon = settings.integration.context, settings.training.horizon
        return cls(frames, normaliser, x, actions, split, context, horizon)

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
        return self._windows("train", padded=True)

    @cached_property
    def val_windows(self) -> Windows:
        """Of the validation episodes, the whole ones only."""
        return self._windows("val", padded=False)

    def check_neighbours(self) -> None:
        """Raises `InputError` where frames that follow each other in the training episodes are as unlike as
        any two: then no time passes from one to the other, and distance cannot tell it."""
        rows = self.frames.rows(self.split["train"])
        x, left = self.x[rows], self._left("train")
        square = np.mean((x[1:] - x[:-1])[left[:-1] > 0] ** 2)
        if square > UNRELATED * 2.0:  # of two unrelated standardised numbers
            raise InputError(
                f"{self.frames.source}: frames that follow each other are as unlike as any two, so that "
                "--w-reach has no neighbours to hold together; give episodes in the order of time."
            )

    def of_phase(self, phase: Phase, system: System, mesh: Mesh | None = None) -> tuple[Data, Data]:
        """What a phase trains on, and what it is validated on, on the device."""
        if not phase.windows:
            return self._frames("train"), self._frames("val")
        x, actions = replicated(jax.device_put((self.x, self.actions)), mesh)
        latents = encode_all(system, x) if phase.encoder_frozen else None
        train, val = self.train_windows, self.val_windows
        keep = np.unique(np.linspace(0, len(val) - 1, VALIDATION_WINDOWS).astype(int))
        index, mask, *validation = jax.device_put(
            (train.index, train.mask, val.index[keep], val.mask[keep])
        )
        decoder = replicated(system.decoder, mesh) if phase.encoder_frozen else None
        train = Data(x, actions, index, mask, latents, decoder)
        return train, Data(x, actions, *validation)

    def training_windows(self, latents: Latents, decoder: eqx.Module | None = None) -> Data:
        """The training windows of phase 2 on known latents."""
        train = self.train_windows
        arrays = (self.x, self.actions, train.index, train.mask, latents)
        return Data(*jax.device_put(arrays))._replace(decoder=decoder)

    def _windows(self, name: str, *, padded: bool) -> Windows:
        shape = self.context, self.horizon
        return make_windows(self.frames, self.split[name], *shape, padded=padded)

    def _frames(self, name: str) -> Data:
        rows = self.frames.rows(self.split[name])
        none = np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32)
        arrays = jax.device_put((self.x[rows], self.actions[rows], *none, self._left(name)))
        return Data(*arrays[:-1], left=arrays[-1])

    def _left(self, name: str) -> np.ndarray:
        """How many frames of its episode follow each frame of a split."""
        lengths = np.diff(self.frames.offsets)[self.split[name]]
        return np.concatenate([np.arange(n)[::-1] for n in lengths]).astype(np.int32)
