"""The linear path through the latent: principal components in, and back out."""

import numpy as np
from jaxtyping import Float

SIZE = 0.5
"""Root mean square length of the tangents, a third of the encoder's bound. What is three times as long is
then brought to three quarters of the bound; with 1.0 it is to 0.96 of it, and to undo that multiplies
the errors of a forecast by 14."""


def principal_maps(
    x: Float[np.ndarray, "N F"], dim: int, size: float = SIZE
) -> tuple[Float[np.ndarray, "dim F"], Float[np.ndarray, "F dim"]]:
    """From standardised features to `dim` coordinates of that `size`, and back, with the least squared error.

    Coordinates are those of the principal components, all scaled alike, so that distances of tangents are
    those of features but for one factor. Where there are fewer features than coordinates, the coordinates
    beyond are zero and nothing is lost.
    """
    wide = x.astype(np.float64)
    variance, axes = np.linalg.eigh(wide.T @ wide / len(wide))
    order = np.argsort(-variance)[:dim]
    scale = size / np.sqrt(variance[order].sum())
    inward = np.zeros((dim, x.shape[1]))
    inward[: len(order)] = scale * axes[:, order].T
    return inward.astype(x.dtype), (inward.T / scale**2).astype(x.dtype)
