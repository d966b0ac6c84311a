"""Standardising features and actions by the statistics of the training episodes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gyrax._errors import InputError
from gyrax.data.moments import ROUNDING, Moments
from gyrax.data.store import Frames, FrameStore

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
        cls, frames: FrameStore, episodes: Int[np.ndarray, " E"], *, history: int = 1
    ) -> "Normaliser":
        """Statistics of these episodes alone.

        Raises `InputError` where no feature or no action varies in them.
        """
        actions = len(frames.action_columns)
        columns = [Moments(len(frames.columns)), *(Moments(actions) for _ in range(history))]
        for part in frames.parts(episodes):
            arrays = part.features, *part.action_differences(history)
            for moments, values in zip(columns, arrays, strict=True):
                moments.add(values)
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

    def left_out(self, frames: FrameStore) -> list[str]:
        """The names of the features and actions that are constant over the training episodes."""
        names = (*frames.columns, *frames.action_columns)
        return [name for name, still in zip(names, self._constant(frames), strict=True) if still]

    def moving(self, frames: FrameStore, episodes: Int[np.ndarray, " E"]) -> list[str]:
        """Those of them that have other values in these episodes."""
        still = self._constant(frames)
        if not still.any():
            return []
        actions = len(frames.action_columns)
        value = np.concatenate([self.feature_mean, self.action_mean[:actions]])[still].astype(float)
        squares = np.zeros(len(value))
        for part in frames.parts(episodes):
            both = np.concatenate([part.features, part.actions], axis=1)[:, still]
            squares += ((both.astype(float) - value) ** 2).sum(0)
        away = np.sqrt(squares / frames.lengths[episodes].sum())
        moves = away > ROUNDING * (1.0 + np.abs(value))
        return [name for name, one in zip(self.left_out(frames), moves, strict=True) if one]

    def _constant(self, frames: FrameStore) -> Bool[np.ndarray, " both"]:
        """Of the features and the actions. The differences of an action come behind all actions."""
        actions = len(frames.action_columns)
        return np.concatenate([self.feature_std, self.action_std[:actions]]) == 0

    def check(self, frames: FrameStore) -> None:
        """Raises `InputError` where there are other numbers of features or actions."""
        for what, have, want in (
            ("features", len(frames.columns), len(self.feature_mean)),
            ("action columns", len(frames.action_columns), len(self.action_mean) // self.history),
        ):
            if have != want:
                raise InputError(
                    f"{frames.source}: has {have} {what}, the checkpoint was trained on {want}; "
                    "give the data set of the same robot and columns."
                )

    def __call__(
        self, frames: Frames
    ) -> tuple[Float[np.ndarray, "N F"], Float[np.ndarray, "N history_A"]]:
        """Standardised features, those that are kept, and actions with their differences.

        Raises `InputError` as `check`.
        """
        self.check(frames)
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
