"""Lévy areas of a Brownian path on a grid, of one cell or of any run of them.

Over an interval of length h, W is its increment, and with B(r) = W(s, s + r) − (r/h) W the areas are
H = (1/h) ∫ B(r) dr and K = (1/h²) ∫ B(r) (h/2 − r) dr: independent normals, of variances h/12 and h/720.
Those of adjacent intervals are joined by Chen's relation. Sums from the start of the path would cancel in
float32, so runs of 2, 4, 8, ... cells are joined once, and any run is made of those.

Source: Foster 2020, Numerical approximations for stochastic differential equations, chapter 4.
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp

SPREADS: dict[type, tuple[float, ...]] = {
    diffrax.BrownianIncrement: (1.0,),
    diffrax.SpaceTimeLevyArea: (1.0, 12.0**-0.5),
    diffrax.SpaceTimeTimeLevyArea: (1.0, 12.0**-0.5, 720.0**-0.5),
}
"""The kinds of increment, and the standard deviations of W, H and K over a unit of time."""

Areas = list[Any]
"""W, H and, where there is one, K: pytrees of one structure."""


def area_levels(cells: Areas) -> tuple[Areas, ...]:
    """The areas of the cells, of the pairs of them, of the pairs of pairs, ..., each along the first axis."""
    levels = [cells]
    if len(cells) == 1:  # no areas
        return tuple(levels)
    while (count := jax.tree.leaves(levels[-1])[0].shape[0] // 2) > 0:
        size = 2.0 ** (len(levels) - 1)
        first, second = (
            jax.tree.map(lambda x, k=k, n=count: x[k : 2 * n : 2], levels[-1]) for k in (0, 1)
        )
        levels.append(_join(size, first, size, second))
    return tuple(levels)


def area_between(levels: tuple[Areas, ...], i: Any, j: Any) -> Areas:
    """H and, where there is one, K of the cells i, ..., j − 1."""
    if not levels or len(levels[0]) == 1:
        return []
    none = jax.tree.map(lambda x: jnp.zeros_like(x[0]), levels[0])
    (p, left), (q, right) = (0.0, none), (0.0, none)
    for level, nodes in enumerate(levels):
        take = (i < j) & (i % 2 == 1)
        size, node = _masked(nodes, level, i, take)
        p, left = p + size, _join(p, left, size, node)
        i = i + take
        take = (i < j) & (j % 2 == 1)
        size, node = _masked(nodes, level, j - 1, take)
        q, right = q + size, _join(size, node, q, right)
        i, j = i // 2, (j - take) // 2
    return _join(p, left, q, right)[1:]


def _masked(nodes: Areas, level: int, index: Any, take: Any) -> tuple[Any, Areas]:
    size = jnp.where(take, 2.0**level, 0.0)
    return size, jax.tree.map(lambda x: jnp.where(take, x[index], jnp.zeros_like(x[0])), nodes)


def _join(p: Any, first: Areas, q: Any, second: Areas) -> Areas:
    """Chen's relation for adjacent intervals of lengths p and q, either of which may be empty."""
    whole = jnp.maximum(p + q, 1.0)  # in cells
    a, b = p / whole, q / whole

    def join(*leaves: Any) -> tuple:
        (w, h, *k), (v, g, *m) = leaves[: len(first)], leaves[len(first) :]
        share = lambda x: jnp.asarray(x, w.real.dtype)
        x, y = share(a), share(b)
        bend = y * w - x * v
        joined = [w + v, x * h + y * g + 0.5 * bend]
        if k:
            turn = 0.5 * (x * y) * (h - g) + (y - x) / 12.0 * bend
            joined.append(x**2 * k[0] + y**2 * m[0] + turn)
        return tuple(joined)

    out = jax.tree.map(join, *first, *second)
    return [jax.tree.map(lambda _, made, n=n: made[n], first[0], out) for n in range(len(first))]
