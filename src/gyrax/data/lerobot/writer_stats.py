"""The statistics that a v3.0 folder carries: for each episode, and for all frames together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATISTICS = ("min", "max", "mean", "std", "count", *QUANTILES)


def episode_statistics(values: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics over the frames of (frames, width) values: each of shape (width,), count (1,)."""
    wide = values.astype(np.float64)
    quantiles = np.quantile(wide, list(QUANTILES.values()), axis=0)
    return {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": wide.mean(axis=0),
        "std": wide.std(axis=0),
        "count": np.array([len(values)]),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


def combined_statistics(episodes: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Statistics of all episodes together, from those of each.

    Mean and variance are exact; the quantiles are the frame-weighted means of the episodes'
    quantiles, as the format has it, so that no frame is read twice.
    """
    stacked = {name: np.stack([episode[name] for episode in episodes]) for name in STATISTICS}
    count = stacked["count"]
    weights = count / count.sum()
    mean = (weights * stacked["mean"]).sum(axis=0)
    spread = stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2
    return {
        "min": stacked["min"].min(axis=0),
        "max": stacked["max"].max(axis=0),
        "mean": mean,
        "std": np.sqrt((weights * spread).sum(axis=0)),
        "count": count.sum(axis=0),
        **{name: (weights * stacked[name]).sum(axis=0) for name in QUANTILES},
    }


def as_lists(statistics: Mapping[str, np.ndarray], *, video: bool = False) -> dict[str, list[Any]]:
    """The statistics as plain lists, for JSON and parquet; a video's are (channels, 1, 1)."""
    plain = {name: statistics[name].tolist() for name in STATISTICS}
    nested = lambda name, values: [[[v]] for v in values] if name != "count" else values
    return {name: nested(name, v) for name, v in plain.items()} if video else plain
