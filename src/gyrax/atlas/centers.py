"""Where charts and codes start: spread evenly over spheres inside the ball."""

import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.nn.initial import generator, on_device


def _normalise(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def spread_directions(count: int, dim: int, *, key: PRNGKey) -> np.ndarray:
    """Unit vectors far from each other, `(count, D)`: Fibonacci's spiral in three dimensions, else by
    descending the repulsion Σ 1/‖xᵢ − xⱼ‖²."""
    if dim == 3:
        index = np.arange(count) + 0.5
        height = 1.0 - 2.0 * index / count
        angle = np.pi * (1.0 + 5.0**0.5) * index
        ring = np.sqrt(1.0 - height**2)
        return np.stack([ring * np.cos(angle), ring * np.sin(angle), height], -1)
    x = _normalise(generator(key).standard_normal((count, dim)))
    for _ in range(200):
        gap = x[:, None] - x[None]
        square = np.sum(gap**2, axis=-1) + np.eye(count)
        push = np.sum(gap / square[..., None] ** 2, axis=1)
        x = _normalise(x + 0.1 * push / (1e-6 + np.abs(push).max()))
    return x


def spread_centers(count: int, dim: int, *, c: float, key: PRNGKey) -> Float[Array, "count D"]:
    """Chart centres on the sphere of radius 0.5/√c."""
    return on_device(0.5 * c**-0.5 * spread_directions(count, dim, key=key))


def spread_codes(
    charts: int, codes: int, dim: int, *, c: float, key: PRNGKey
) -> Float[Array, "charts codes D"]:
    """Codes of every chart in random directions, at radii between 0.15/√c and 0.3/√c."""
    draw = generator(key)
    x = _normalise(draw.standard_normal((charts, codes, dim)))
    return on_device(c**-0.5 * x * draw.uniform(0.15, 0.3, (charts, codes, 1)))
