"""Standardising features and actions by the statistics of the training episodes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gyrax._errors import InputError
from gyrax.data.frames import Frames
from gyrax.data.lerobot.proprioception import ACTION
from gyrax.data.moments import Moments

NOISE_FLOOR = 0.02


@dataclass(frozen=True)
class Normaliser:
    """Mean and scale of features and actions over the training episodes.

    With a `history` of several actions, each action comes with its backward differences, which have
    statistics of their own.

    The scale of a column is its standard deviation, but at least `NOISE_FLOOR` times the median of
    its vector's: a column that hardly moves beside the others, such as the height of a cube that
    slides on a table, is contact or sensor noise, which full standardising would blow up to the size
    of the motion.
    """

    feature_mean: Float[np.ndarray, " F"]
    feature_std: Float[np.ndarray, " F"]
    action_mean: Float[np.ndarray, " history_A"]
    action_std: Float[np.ndarray, " history_A"]
    history: int = 1

    @classmethod
    def fit(
        cls, frames: Frames, episodes: Int[np.ndarray, " E"], *, history: int = 1
    ) -> "Normaliser":
        """Statistics of these episodes alone.

        Raises `InputError` for a column that is constant in them.
        """
        rows = frames.rows(episodes)
        names = tuple(f"{ACTION}.{i}" for i in range(frames.actions.shape[1]))
        columns = [(frames.features, frames.columns)]
        for order, values in enumerate(frames.action_differences(history)):
            columns.append((values, tuple(name + "'" * order for name in names)))
        means, scales = [], []
        for values, names in columns:
            moments = Moments(len(names))
            moments.add(values[rows])
            if moments.constant.any():
                listed = ", ".join(names[i] for i in np.flatnonzero(moments.constant))
                raise InputError(
                    f"{frames.source}: constant over the training episodes: {listed}; a column that "
                    "never changes cannot be standardised: drop it from the data set."
                )
            means.append(moments.mean.astype(np.float32))
            scale = np.maximum(moments.std, NOISE_FLOOR * np.median(moments.std))
            scales.append(scale.astype(np.float32))
        mean, scale = np.concatenate(means[1:]), np.concatenate(scales[1:])
        return cls(means[0], scales[0], mean, scale, history)

    def __call__(
        self, frames: Frames
    ) -> tuple[Float[np.ndarray, "N F"], Float[np.ndarray, "N history_A"]]:
        """Standardised features, and actions with their differences.

        Raises `InputError` where their widths are others.
        """
        for what, have, want in (
            ("features", frames.features.shape[1], len(self.feature_mean)),
            ("action columns", frames.actions.shape[1], len(self.action_mean) // self.history),
        ):
            if have != want:
                raise InputError(
                    f"{frames.source}: has {have} {what}, the checkpoint was trained on {want}; "
                    "give the data set of the same robot and columns."
                )
        x = (frames.features - self.feature_mean) / self.feature_std
        actions = np.concatenate(frames.action_differences(self.history), axis=1)
        a = (actions - self.action_mean) / self.action_std
        return x.astype(np.float32), a.astype(np.float32)
