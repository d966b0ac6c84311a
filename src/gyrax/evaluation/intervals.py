"""Means with 95 % intervals, by bootstrap over episodes.

Windows of one episode overlap and are alike, so episodes are resampled, not windows. All quantities
measured on the same windows share the same draws, so the interval of a difference is a paired one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

RESAMPLES = 2000
LEVEL = 0.95
BANDS = ("near", "middle", "far")
"""Thirds of what is measured, by some length."""
Measured = np.ndarray | float


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval, each of the shape of one measurement."""

    mean: Measured
    low: Measured
    high: Measured

    def scalar(self) -> "Estimate":
        """The same of a measurement of one entry, as numbers."""
        return Estimate(*(float(np.asarray(x)[0]) for x in (self.mean, self.low, self.high)))

    def entries(self, name: str) -> dict[str, Any]:
        """`name`, `name_low` and `name_high`, as lists or floats for a JSON report."""
        parts = {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}
        return {key: np.asarray(value).tolist() for key, value in parts.items()}


class Bootstrap:
    """Resampling of the episodes that windows are of."""

    def __init__(self, episode: Int[np.ndarray, " M"], resamples: int = RESAMPLES, seed: int = 0):
        """`episode` says which episode each of M windows is of."""
        _, self.member = np.unique(episode, return_inverse=True)
        self.count = int(self.member.max()) + 1
        self.windows = np.bincount(self.member).astype(float)
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(self.count, np.full(self.count, 1 / self.count), resamples)
        self.draws = draws.astype(float)

    def resampled(
        self, values: Float[np.ndarray, "*seeds M H"]
    ) -> tuple[np.ndarray, Float[np.ndarray, "resamples H"]]:
        """The mean over windows (and seeds) of H quantities, and the same of every resample."""
        values = np.asarray(values, np.float64)
        values = values.reshape(-1, *values.shape[-2:]).mean(0)
        sums = np.zeros((self.count, values.shape[-1]))
        np.add.at(sums, self.member, values)
        weight = self.draws @ self.windows
        return sums.sum(0) / self.windows.sum(), (self.draws @ sums) / weight[:, None]

    def mean(self, values: Float[np.ndarray, "*seeds M H"]) -> Estimate:
        """Mean over windows, of every horizon step."""
        return interval(*self.resampled(values))

    def total_mean(self, values: Float[np.ndarray, "*seeds M H"]) -> Estimate:
        """Mean over windows and horizon steps."""
        return self.mean(np.asarray(values).mean(-1, keepdims=True)).scalar()

    def root_mean(self, squares: Float[np.ndarray, "*seeds M H"]) -> Estimate:
        """Root of the mean over windows of squares, of every horizon step."""
        mean, drawn = self.resampled(squares)
        return interval(np.sqrt(mean), np.sqrt(drawn))

    def root_difference(self, ours: np.ndarray, theirs: np.ndarray) -> Estimate:
        """Paired difference of two roots of means of squares, each `(*seeds, M, H)`."""
        (mean, drawn), (other, other_drawn) = self.resampled(ours), self.resampled(theirs)
        return interval(np.sqrt(mean) - np.sqrt(other), np.sqrt(drawn) - np.sqrt(other_drawn))

    def difference(self, ours: np.ndarray, theirs: np.ndarray) -> Estimate:
        """Paired difference of two means, each of values `(*seeds, M, H)`."""
        (mean, drawn), (other, other_drawn) = self.resampled(ours), self.resampled(theirs)
        return interval(mean - other, drawn - other_drawn)


def thirds(lengths: Float[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Of each length its number in `BANDS`."""
    return np.digitize(lengths, np.quantile(lengths, [1 / 3, 2 / 3]))


def interval(mean: np.ndarray, drawn: Float[np.ndarray, "resamples H"]) -> Estimate:
    """The percentile interval of resampled values."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Estimate(np.asarray(mean), low, high)
