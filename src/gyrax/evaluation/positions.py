"""Errors of positions in centimetres, where features are coordinates of things in space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

AXES = (".x", ".y", ".z")
CENTIMETRES = 100.0
"""In a unit of the data; LeRobot's is the metre."""
EVERY = 10


def positions(columns: Sequence[str]) -> dict[str, Int[np.ndarray, "3"]]:
    """The columns `NAME.x`, `NAME.y` and `NAME.z` of every NAME that has all three.

    They go by the last part of NAME, or by the whole where two would share it.
    """
    at = {column: i for i, column in enumerate(columns)}
    names = [c.removesuffix(".x") for c in columns if c.endswith(".x")]
    names = [name for name in names if all(name + axis in at for axis in AXES)]
    last = [name.rsplit(".", 1)[-1] for name in names]
    keys = [
        short if last.count(short) == 1 else name for short, name in zip(last, names, strict=True)
    ]
    return {
        key: np.array([at[name + axis] for axis in AXES])
        for key, name in zip(keys, names, strict=True)
    }


def median_cm(off: Float[np.ndarray, "*frames F"], std: np.ndarray, at: np.ndarray) -> float:
    """The median length of errors `off` of standardised features, of one position."""
    return float(np.median(np.linalg.norm(off[..., at] * std[at], axis=-1)) * CENTIMETRES)


def position_report(
    columns: Sequence[str],
    std: Float[np.ndarray, " F"],
    encoded: Float[np.ndarray, "N F"],
    forecasts: Sequence[Float[np.ndarray, "seeds _windows _frames F"]],
) -> dict[str, Any]:
    """The median error of every position, `encoded` without a forecast and in the forecasts.

    **Arguments:** `encoded` and `forecasts`, errors of standardised features; the forecasts are of ever
    longer windows, of which the first tells its first and last frame, and the others every tenth.
    """
    report: dict[str, Any] = {}
    for name, at in positions(columns).items():
        found: dict[int, float] = {}
        for k, off in enumerate(forecasts):
            last = off.shape[2]
            steps = {1, last} if k == 0 else {*range(EVERY, last + 1, EVERY), last}
            found |= {step: median_cm(off[:, :, step - 1], std, at) for step in sorted(steps)}
        report[name] = {
            "encoded": median_cm(encoded, std, at),
            "frames": list(found),
            "forecast": list(found.values()),
        }
    return report
