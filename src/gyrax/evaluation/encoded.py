"""A data set as a trained encoder sees it: what all forecasters of a run share."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from gyrax.data.windows import make_windows
from gyrax.evaluation.baselines.tangent import distances
from gyrax.model.window import Window, gather_windows
from gyrax.training.dataset import Dataset
from gyrax.training.phases import Data, Latents
from gyrax.training.settings import Settings
from gyrax.training.step import encode_all
from gyrax.training.trainer import Trained


@dataclass(frozen=True)
class Selection:
    """M windows of one split, on the ball of curvature −c, and what the data has beside the latents.

    **Fields:** `window`, the batch; `episode`, which episode each is of; `truth`, features
    of the frames that follow; `short`, episodes too short for a window.
    """

    window: Window
    c: float
    episode: Int[np.ndarray, " M"]
    truth: Float[np.ndarray, "M H F"]
    short: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.episode)

    def take(self, rows: np.ndarray) -> "Selection":
        """Some of the windows."""
        columns = {name: getattr(self, name)[rows] for name in ("episode", "truth")}
        return replace(self, window=jax.tree.map(lambda a: a[rows], self.window), **columns)

    def errors(self, points: np.ndarray) -> Float[np.ndarray, "M H"]:
        """Geodesic distance of forecast points from the targets."""
        return np.asarray(distances(points, self.window.target, self.c))

    def with_foreign_actions(self, pool: "Selection", seed: int = 0) -> Window:
        """The same windows under the actions of windows of `pool` that are of other episodes.

        Raises `ValueError` where `pool` is all of one episode that windows here are of.
        """
        rng = np.random.default_rng(seed)
        donor = np.zeros(len(self), int)
        for episode in np.unique(self.episode):
            here = np.flatnonzero(self.episode == episode)
            others = np.flatnonzero(pool.episode != episode)
            if not len(others):
                raise ValueError(f"all windows of the pool are of episode {episode}.")
            donor[here] = rng.choice(others, len(here))
        return replace(self.window, actions=np.asarray(pool.window.actions)[donor])


@dataclass(frozen=True)
class Encoded:
    """Every frame of a data set, encoded by the system of `trained`; `settings` may be others of the same
    encoder, under which forecasters are trained. `decoder` makes features of latents."""

    trained: Trained
    dataset: Dataset
    latents: Latents
    settings: Settings
    decoder: eqx.Module

    @classmethod
    def of(cls, trained: Trained, dataset: Dataset) -> "Encoded":
        """Encode a data set."""
        latents = encode_all(trained.system, jnp.asarray(dataset.x))
        host = Latents(*(np.asarray(array) for array in latents))
        return cls(trained, dataset, host, trained.settings, trained.system.decoder)

    @cached_property
    def identity(self) -> str:
        """A digest of encoder and data set: what trained forecasters must share to be used again."""
        system, normaliser = self.trained.system, self.trained.normaliser
        digest = hashlib.sha256(self.dataset.frames.digest.encode())
        parts = (system.encoder, system.world_model.jump_operator, vars(normaliser))
        for array in jax.tree.leaves(eqx.filter(parts, eqx.is_array_like)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def windows(self, name: str, horizon: int) -> Selection | None:
        """Every whole window of `horizon` frames of a split; None where no episode is that long."""
        context, frames = self.settings.integration.context, self.dataset.frames
        episodes = self.dataset.split[name]
        fits = np.diff(frames.offsets)[episodes] >= context + horizon
        if not fits.any():
            return None
        windows = make_windows(frames, episodes[fits], context, horizon, padded=False)
        index, x = windows.index, self.dataset.x
        return Selection(
            gather_windows(*self.latents, self.dataset.actions, index, windows.mask),
            self.settings.encoder.curvature,
            windows.episode,
            x[index[:, context:]],
            tuple(int(e) for e in episodes[~fits]),
        )

    def training_data(self) -> Data:
        """The training windows of phase 2, padded at the ends of episodes, on the device."""
        return self.dataset.training_windows(self.latents, self.decoder)

    def under(self, settings: Settings) -> "Encoded":
        """The same latents for forecasters of other settings (of the same encoder)."""
        context, horizon = settings.integration.context, settings.training.horizon
        dataset = replace(self.dataset, context=context, horizon=horizon)
        return replace(self, settings=settings, dataset=dataset)
