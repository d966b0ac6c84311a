"""Arrays as text that is short, for a page that holds its data."""

import base64
from typing import Any

import numpy as np
from jaxtyping import Float

LEVELS = 32767


def packed(values: Float[np.ndarray, "*rows columns"]) -> dict[str, Any]:
    """Each column as 16-bit integers between its least and its largest value, which `unpack` of
    `geometry.js` undoes: right to 1/65534 of the column's range."""
    values = np.asarray(values, np.float64)
    rows = values.reshape(-1, values.shape[-1])
    low, high = rows.min(0), rows.max(0)
    middle, scale = 0.5 * (low + high), 0.5 * (high - low) / LEVELS
    whole = np.divide(rows - middle, scale, out=np.zeros_like(rows), where=scale > 0)
    return {
        "data": base64.b64encode(np.round(whole).astype("<i2").tobytes()).decode(),
        "middle": [float(f"{m:.9g}") for m in middle],
        "scale": [float(f"{s:.9g}") for s in scale],
    }
