"""A data set as a checkpoint's encoder sees it: what all forecasters of a run share."""

import hashlib
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from gyrax.data.frames import Frames
from gyrax.data.windows import make_windows, split_episodes
from gyrax.evaluation.baselines import WindowBatch
from gyrax.model.system import System
from gyrax.training import checkpoint as ckpt
from gyrax.training.loop import Resumed, load_system
from gyrax.training.phases import Data
from gyrax.training.settings import TrainConfig
from gyrax.training.step import encode_all

ENCODER = (".system.encoder", ".system.world_model.jump_operator", "normaliser")


@dataclass(frozen=True)
class Selection:
    """Windows of one split: the `batch`; the features of the last known frame, `seen`, `(M, F)`; what
    the data has at the targets (`truth`, features `(M, H, F)`; `chart`, `(M, H)`); and the episodes that
    are `short`, for which there is no window."""

    batch: WindowBatch
    seen: np.ndarray
    truth: np.ndarray
    chart: np.ndarray
    short: tuple[int, ...]

    def take(self, rows: np.ndarray) -> "Selection":
        """Some of the windows."""
        columns = {name: getattr(self, name)[rows] for name in ("seen", "truth", "chart")}
        return replace(self, batch=self.batch.take(rows), **columns)


@dataclass(frozen=True)
class Latents:
    """Every frame encoded: points `z`, chart `weights` and `chart`, beside `x` and `actions`."""

    frames: Frames
    config: TrainConfig
    system: System
    identity: str
    x: np.ndarray
    actions: np.ndarray
    z: np.ndarray
    weights: np.ndarray
    chart: np.ndarray

    @classmethod
    def of(cls, resumed: Resumed, frames: Frames) -> "Latents":
        """Encode a data set with a checkpoint. Raises `InputError` where they do not fit."""
        system = load_system(resumed)
        x, actions = ckpt.stored_normaliser(resumed.arrays)(frames)
        z, weights, chart = (np.asarray(a) for a in encode_all(system, jnp.asarray(x)))
        config = resumed.meta.config
        identity = identity_of(resumed.arrays, frames)
        return cls(frames, config, system, identity, x, actions, z, weights, chart)

    def split(self, name: str) -> np.ndarray:
        """The episodes of a split."""
        return split_episodes(self.frames.episodes, self.config.val_fraction)[name]

    def windows(self, name: str, horizon: int) -> Selection | None:
        """Every whole window of `horizon` frames of a split; None where no episode is that long."""
        context = self.config.wm_context
        episodes = self.split(name)
        lengths = np.diff(self.frames.offsets)[episodes]
        fits = lengths >= context + horizon
        if not fits.any():
            return None
        windows = make_windows(self.frames, episodes[fits], context, horizon, padded=False)
        index = windows.index
        batch = WindowBatch(
            self.z[index[:, :context]],
            self.actions[index[:, context - 1 : -1]],
            self.z[index[:, context:]],
            self.config.curvature,
            self.weights[index[:, context - 1]],
            windows.episode,
        )
        short = tuple(int(e) for e in episodes[~fits])
        known, ahead = index[:, context - 1], index[:, context:]
        return Selection(batch, self.x[known], self.x[ahead], self.chart[ahead], short)

    def training_data(self) -> Data:
        """The training windows of phase 2, padded at the ends of episodes, on the device."""
        context, horizon = self.config.wm_context, self.config.horizon
        train = make_windows(self.frames, self.split("train"), context, horizon, padded=True)
        latents = tuple(jnp.asarray(a) for a in (self.z, self.weights, self.chart))
        return Data(
            jnp.asarray(self.x),
            jnp.asarray(self.actions),
            jnp.asarray(train.index),
            jnp.asarray(train.mask),
            latents,
        )

    def under(self, config: TrainConfig) -> "Latents":
        """The same latents for models of other settings (of the same encoder)."""
        return replace(self, config=config)


def identity_of(arrays: dict[str, np.ndarray], frames: Frames) -> str:
    """A digest of an encoder and of a data set: what trained forecasters must share to be reused."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if name.startswith(ENCODER):
            digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    for array in (frames.features, frames.actions, frames.offsets):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
