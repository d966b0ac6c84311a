"""Standardising features and actions by the statistics of the training episodes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gyrax._errors import InputError
from gyrax.data.frames import Frames
from gyrax.data.moments import ROUNDING, Moments

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

    A column that is constant over the training episodes has scale 0, and its value as mean. The model
    does not see it: such a feature is left out, such an action or difference is always 0.
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

        Raises `InputError` where no feature or no action varies in them.
        """
        rows = frames.rows(episodes)
        columns = [
            Moments.of(a[rows]) for a in (frames.features, *frames.action_differences(history))
        ]
        for what, moments in zip(("feature", "action"), columns, strict=False):
            if moments.constant.all():
                raise InputError(
                    f"{frames.source}: every {what} column is constant over the training episodes; give "
                    "a data set in which at least one varies."
                )
        means = [moments.mean.astype(np.float32) for moments in columns]
        scales = [_scale(moments) for moments in columns]
        mean, scale = np.concatenate(means[1:]), np.concatenate(scales[1:])
        return cls(means[0], scales[0], mean, scale, history)

    @property
    def kept(self) -> Bool[np.ndarray, " F"]:
        """Which features the model sees: those that vary over the training episodes."""
        return self.feature_std > 0

    def left_out(self, frames: Frames) -> list[str]:
        """The names of the features and actions that are constant over the training episodes."""
        return [name for name, _, _ in self._constants(frames)]

    def moving(self, frames: Frames, episodes: Int[np.ndarray, " E"]) -> list[str]:
        """Those of them that have other values in these episodes."""
        rows, found = frames.rows(episodes), []
        for name, value, column in self._constants(frames):
            away = np.sqrt(np.mean((column[rows].astype(np.float64) - value) ** 2))
            if away > ROUNDING * (1.0 + abs(value)):
                found.append(name)
        return found

    def _constants(self, frames: Frames) -> Iterator[tuple[str, float, Float[np.ndarray, " N"]]]:
        """Name, training value and column of each. The differences of an action come behind all actions, so
        that only the actions themselves are paired with a name."""
        for names, values, means, scales in (
            (frames.columns, frames.features, self.feature_mean, self.feature_std),
            (frames.action_columns, frames.actions, self.action_mean, self.action_std),
        ):
            for name, column, mean, scale in zip(names, values.T, means, scales, strict=False):
                if scale == 0:
                    yield name, float(mean), column

    def __call__(
        self, frames: Frames
    ) -> tuple[Float[np.ndarray, "N F"], Float[np.ndarray, "N history_A"]]:
        """Standardised features, those that are kept, and actions with their differences.

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
        x = np.compress(self.kept, frames.features - self.feature_mean, axis=1)
        x = x / self.feature_std[self.kept]
        actions = np.concatenate(frames.action_differences(self.history), axis=1)
        actions, scale = actions - self.action_mean, self.action_std
        a = np.divide(actions, scale, out=np.zeros_like(actions), where=scale > 0)
        return x.astype(np.float32), a.astype(np.float32)

    def restored(self, x: Float[np.ndarray, "*batch kept"]) -> Float[np.ndarray, "*batch F"]:
        """Standardised features in the units of the data, those that were left out put back."""
        full = np.zeros((*x.shape[:-1], len(self.kept)), x.dtype)
        full[..., self.kept] = x
        return full * self.feature_std + self.feature_mean


def _scale(moments: Moments) -> Float[np.ndarray, " width"]:
    """The scale of each column, the median being of those that vary."""
    varies = ~moments.constant
    floor = NOISE_FLOOR * np.median(moments.std[varies]) if varies.any() else 0.0
    return np.where(varies, np.maximum(moments.std, floor), 0.0).astype(np.float32)
