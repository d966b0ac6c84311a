"""Where charts and codes start: spread evenly over spheres inside the ball.

They are as far from the origin at every curvature: radii are those of the ball of curvature −1.
"""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.nn.initial import generator, on_device


def _normalise(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _radius(at_one: Any, c: float) -> Any:
    """The radius at curvature −c of what has the radius `at_one` at −1: tanh(√c ρ)/√c with ρ = artanh."""
    return at_one if c == 1 else np.tanh(c**0.5 * np.arctanh(at_one)) * c**-0.5


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
    """Chart centres on the sphere of radius 0.5 at c = 1."""
    return on_device(_radius(0.5, c) * spread_directions(count, dim, key=key))


def spread_codes(
    charts: int, codes: int, dim: int, *, c: float, key: PRNGKey
) -> Float[Array, "charts codes D"]:
    """Codes of every chart in random directions, at radii between 0.15 and 0.3 at c = 1."""
    draw = generator(key)
    x = _normalise(draw.standard_normal((charts, codes, dim)))
    return on_device(x * _radius(draw.uniform(0.15, 0.3, (charts, codes, 1)), c))
