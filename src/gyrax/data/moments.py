"""Range, mean and spread of columns that are never in memory at once."""

import numpy as np
from jaxtyping import Bool, Float, Num

ROUNDING = 1e-6
"""What float32 rounds off, and some more: a column that moves less, beside 1 + |mean|, is constant."""


class Moments:
    """Smallest and largest value, mean and standard deviation of each column, fed block by block.

    Values that are not finite are left out, and counted in `bad`.
    """

    def __init__(self, width: int):
        self.low = np.full(width, np.inf)
        self.high = np.full(width, -np.inf)
        self.mean = np.zeros(width)
        self.bad = np.zeros(width, np.int64)
        self._count = np.zeros(width, np.int64)
        self._squares = np.zeros(width)

    @classmethod
    def of(cls, values: Num[np.ndarray, "frames width"]) -> "Moments":
        """Those of a single block."""
        moments = cls(values.shape[1])
        moments.add(values)
        return moments

    def add(self, values: Num[np.ndarray, "frames width"]) -> None:
        """Take in a block of frames."""
        wide = values.astype(np.float64)
        good = np.isfinite(wide)
        count = good.sum(0)
        mean = np.where(good, wide, 0.0).sum(0) / np.maximum(count, 1)
        squares = (np.where(good, wide - mean, 0.0) ** 2).sum(0)
        total = np.maximum(self._count + count, 1)
        shift = mean - self.mean
        self._squares += squares + shift**2 * self._count * count / total
        self.mean = self.mean + shift * count / total
        self._count += count
        self.bad += len(wide) - count
        self.low = np.minimum(self.low, np.where(good, wide, np.inf).min(0, initial=np.inf))
        self.high = np.maximum(self.high, np.where(good, wide, -np.inf).max(0, initial=-np.inf))

    @property
    def std(self) -> Float[np.ndarray, " width"]:
        """Standard deviation of each column (of the population, not of a sample)."""
        return np.sqrt(self._squares / np.maximum(self._count, 1))

    @property
    def known(self) -> Bool[np.ndarray, " width"]:
        """Which columns have any finite value."""
        return self._count > 0

    @property
    def constant(self) -> Bool[np.ndarray, " width"]:
        """Which columns have finite values that do not change, to within the rounding of float32."""
        return self.known & (self.std <= ROUNDING * (1.0 + np.abs(self.mean)))
