"""A Brownian path sampled once on a fixed grid: fast, and differentiable in reverse mode."""

from dataclasses import replace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from gyrax._types import PRNGKey
from gyrax.dynamics.levy import SPREADS, area_between, area_levels
from gyrax.dynamics.require import is_concrete, numpy_for, require

Shape = int | tuple[int, ...] | PyTree
Increment = diffrax.BrownianIncrement | diffrax.SpaceTimeLevyArea | diffrax.SpaceTimeTimeLevyArea


class PresampledPath(diffrax.AbstractBrownianPath):
    """Brownian motion known at `cells + 1` equally spaced times, and nowhere else.

    A solver may ask for increments between grid times only. Most ask for one a step: sample a cell for
    every step. A word with the letter O occurring k times a step asks at k-ths of a step: sample k cells.

    **Fields:** `t0`, `t1`; `values`, W at the grid times, a pytree of arrays of shapes `(cells + 1, ...)`;
    `levy_area`, what it gives solvers that ask for more than W, as in `diffrax.VirtualBrownianTree`;
    `levels`, the increments and Lévy areas of the grid cells, and the areas of runs of 2, 4, 8, ... of them.
    """

    t0: Any
    t1: Any
    values: PyTree
    checked: bool = eqx.field(static=True, default=True)
    levy_area: type[Increment] = eqx.field(static=True, default=diffrax.BrownianIncrement)
    levels: tuple = ()

    @classmethod
    def sample(
        cls,
        t0: Any,
        t1: Any,
        cells: int,
        shape: Shape,
        *,
        key: PRNGKey,
        dtype: Any = None,
        levy_area: type = diffrax.BrownianIncrement,
    ) -> "PresampledPath":
        """Draw the whole path in one call.

        **Arguments:**

        - `shape`: that of W: a number, a tuple, or a pytree of `jax.ShapeDtypeStruct`.
        - `dtype`: of W, where `shape` does not say.
        - `levy_area`: `diffrax.SpaceTimeLevyArea` for solvers as `diffrax.ShARK` and `diffrax.ALIGN`,
            `diffrax.SpaceTimeTimeLevyArea` for `diffrax.QUICSORT`.

        **Raises:** `ValueError` where `cells` is not positive or a dtype is not floating, or (where traced,
        `eqx.error_if`) `t1` is not after `t0`.
        """
        _check_cells(cells)
        parts = SPREADS[_known(levy_area)]
        xp = numpy_for(t0, t1)
        span = t1 - t0
        t1 = require(t1, (span > 0) & xp.isfinite(span), "a path needs a finite time t1 > t0.")
        keys = [key] if len(parts) == 1 else jr.split(key, len(parts))
        length = (t1 - t0) / cells
        drawn = [
            _normal(k, cells, _structs(shape, dtype), length, spread)
            for k, spread in zip(keys, parts, strict=True)
        ]
        lengths = jax.tree.map(lambda w: jnp.full(cells, length, w.real.dtype), drawn[0])
        increments = drawn[0] if len(parts) == 1 else levy_area(lengths, *drawn)
        return cls.from_increments(t0, t1, increments)

    @classmethod
    def from_increments(
        cls, t0: Any, t1: Any, increments: PyTree, *, checked: bool = True
    ) -> "PresampledPath":
        """The path whose increments over the grid cells are given: a pytree of arrays of shapes
        `(cells, ...)`, or one of diffrax's increments with Lévy areas, of such pytrees.

        `checked=False` trusts the caller to stay on the grid, which saves a test a stage in a rollout.
        """
        kind, cells = diffrax.BrownianIncrement, [increments]
        if isinstance(increments, diffrax.AbstractBrownianIncrement):
            kind = _known(type(increments))
            cells = [getattr(increments, name) for name in "WHK"[: len(SPREADS[kind])]]
        values = jax.tree.map(
            lambda x: jnp.concatenate([jnp.zeros_like(x[:1]), jnp.cumsum(x, axis=0)]), cells[0]
        )
        return cls(
            t0=t0, t1=t1, values=values, checked=checked, levy_area=kind, levels=area_levels(cells)
        )

    @classmethod
    def from_path(
        cls, path: diffrax.AbstractBrownianPath, t0: Any, t1: Any, cells: int
    ) -> "PresampledPath":
        """Read another path, such as a `VirtualBrownianTree`, at `cells + 1` grid times, with the Lévy
        areas that it has."""
        _check_cells(cells)
        times = (t0 + (t1 - t0) * jnp.arange(cells + 1) / cells).at[-1].set(t1)
        if path.levy_area is diffrax.BrownianIncrement:
            values = jax.vmap(lambda t: path.evaluate(t0, t))(times)
            return cls(t0=t0, t1=t1, values=values)
        read = jax.vmap(lambda a, b: path.evaluate(a, b, use_levy=True))
        return cls.from_increments(t0, t1, read(times[:-1], times[1:]))

    @property
    def cells(self) -> int:
        """The number of grid cells."""
        return jax.tree.leaves(self.values)[0].shape[0] - 1

    def _index(self, t: Any) -> Any:
        # Of a step's own noise (see `noise_of_steps`) the ends are known without looking.
        if t is self.t0 or t is self.t1:
            return 0 if t is self.t0 else self.cells
        cells = self.cells
        place = jnp.asarray((t - self.t0) / (self.t1 - self.t0) * cells)
        index = jnp.round(place).astype(int)
        if self.checked:
            # diffeqsolve adds its steps up, and so may be off by eps · place in each of `place` steps.
            drift = jnp.minimum(jnp.finfo(place.dtype).eps * place**2, 0.2)
            off = (jnp.abs(place - index) > 0.01 + drift) | (index < 0) | (index > cells)
            index = eqx.error_if(
                index,
                off,
                f"PresampledPath holds Brownian motion at {cells + 1} equally spaced times and was "
                "asked between them or outside. Use a fixed step of a whole number of cells (a word "
                "in which O occurs k times needs k cells a step), or a diffrax.VirtualBrownianTree.",
            )
        return index

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True, use_levy: bool = False) -> Any:
        """The increment W(t1) − W(t0); of W(t0) from the start of the path if `t1` is left out. With
        `use_levy`, a `levy_area` with the Lévy areas of the interval too."""
        del left
        if t1 is None:
            t0, t1 = self.t0, t0
        i, j = self._index(t0), self._index(t1)
        if self.levels and self.cells == 1 and is_concrete(i, j) and i < j:
            increment, *areas = jax.tree.map(lambda x: x[0], self.levels[0])
        else:
            increment = jax.tree.map(lambda values: values[j] - values[i], self.values)
            areas = area_between(self.levels, i, j)
        if not use_levy:
            return increment
        dt = jax.tree.map(lambda w: jnp.asarray(t1 - t0, w.real.dtype), increment)
        return self.levy_area(dt, increment, *areas)


def _check_cells(cells: int) -> None:
    if cells < 1:
        raise ValueError(f"cells is {cells}; a path needs at least one grid cell.")


def _known(levy_area: Any) -> type[Increment]:
    if levy_area not in SPREADS:
        known = ", ".join(f"diffrax.{kind.__name__}" for kind in SPREADS)
        raise ValueError(f"levy_area is {levy_area!r}; it must be one of {known}.")
    return levy_area


def _structs(shape: Shape, dtype: Any) -> PyTree:
    """The shape of a path as a pytree of structs, from whichever way it was given."""
    dtype = dtype or jnp.result_type(float)
    if isinstance(shape, int | np.integer):
        shape = (int(shape),)
    if isinstance(shape, tuple) and all(isinstance(n, int | np.integer) for n in shape):
        shape = jax.ShapeDtypeStruct(shape, dtype)
    for leaf in jax.tree.leaves(shape):
        if not jnp.issubdtype(getattr(leaf, "dtype", None) or object, jnp.inexact):
            raise ValueError(
                f"the shape of a path holds {leaf!r}; give a number, a tuple of numbers, or a pytree of "
                "jax.ShapeDtypeStruct of floats."
            )
    return shape


def _normal(key: PRNGKey, cells: int, structs: Any, length: Any, spread: float) -> PyTree:
    """Normal numbers of variance spread²·length for every cell."""
    leaves, tree = jax.tree.flatten(structs)
    keys = [key] if len(leaves) == 1 else jr.split(key, len(leaves))

    def draw(key: PRNGKey, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        normal = jr.normal(key, (cells, *leaf.shape), leaf.dtype)
        return normal * (spread * jnp.sqrt(jnp.asarray(length, normal.real.dtype)))

    return tree.unflatten(draw(k, leaf) for k, leaf in zip(keys, leaves, strict=True))


def noise_of_steps(terms: Any, grid: Any) -> tuple[Any, Any]:
    """The noise of every step of a grid, apart from the terms: `(rows, with_noise)`.

    Of the presampled paths in `terms` that start and end at known times, `rows` holds, step by step along
    the first axis, what they say of the step; `with_noise(row, begin, end)` is the terms with that alone,
    so that a scan hands each step its noise instead of looking it up.

    **Raises:** `ValueError` where a step is no whole number of a checked path's cells.
    """
    is_path = lambda x: isinstance(x, PresampledPath)
    leaves, tree = jax.tree.flatten(terms, is_leaf=is_path)
    cells = [_cells_a_step(x, grid) if is_path(x) else None for x in leaves]
    rows = [_rows(x, *c, grid.saves[-1]) for x, c in zip(leaves, cells, strict=True) if c]

    def with_noise(row: list, begin: Any, end: Any) -> Any:
        rest = iter(row)
        step = [
            _path_of_step(x, next(rest), begin, end) if c else x
            for x, c in zip(leaves, cells, strict=True)
        ]
        return tree.unflatten(step)

    return rows, with_noise


def _cells_a_step(path: PresampledPath, grid: Any) -> tuple[int, int] | None:
    """How many cells a step of the grid has and the cell it starts in, where both are known and whole."""
    if not is_concrete(path.t0, path.t1):
        return None
    cell = (float(path.t1) - float(path.t0)) / path.cells
    size, first = grid.dt / cell, (grid.t0 - float(path.t0)) / cell
    whole = round(size), round(first)
    slack = 0.01 + 1e-6 * path.cells
    fits = abs(size * grid.steps - whole[0] * grid.steps) < slack and abs(first - whole[1]) < slack
    if fits and whole[0] > 0 and 0 <= whole[1] <= path.cells - whole[0] * grid.steps:
        return whole
    if not path.checked:
        return None
    raise ValueError(
        f"the PresampledPath has {path.cells} cells over [{path.t0}, {path.t1}], which {grid.steps} steps "
        f"over [{grid.t0}, {grid.t1}] do not fit; sample it over the same times with cells = {grid.steps}, "
        "or a multiple of that."
    )


def _rows(path: PresampledPath, size: int, first: int, steps: int) -> tuple:
    """The values at the ends of the cells of each step, and the increments and areas of those cells."""
    cut = lambda tree, j: jax.tree.map(
        lambda x: x[first + j : first + j + (steps - 1) * size + 1 : size], tree
    )
    values = [cut(path.values, j) for j in range(size + 1)]
    cells = (
        path.levels[0]
        if path.levels
        else [jax.tree.map(lambda x: jnp.diff(x, axis=0), path.values)]
    )
    return values, [cut(cells, j) for j in range(size)]


def _path_of_step(path: PresampledPath, row: tuple, begin: Any, end: Any) -> PresampledPath:
    stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    values, cells = row
    return replace(path, t0=begin, t1=end, values=stack(values), levels=area_levels(stack(cells)))
