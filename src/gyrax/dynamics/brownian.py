"""A Brownian path sampled once on a fixed grid: fast, and differentiable in reverse mode."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.dynamics.require import numpy_for, require


class PresampledPath(diffrax.AbstractBrownianPath):
    """Brownian motion known at `cells + 1` equally spaced times, and nowhere else.

    A solver may ask for increments between grid times only. A word with the letter O occurring k
    times a step asks at k-ths of a step: sample k cells for every step.

    **Fields:** `t0`, `t1`; `values`, W at the grid times, shape `(cells + 1, D)`.
    """

    t0: Any
    t1: Any
    values: Float[Array, "points D"]
    checked: bool = eqx.field(static=True, default=True)
    levy_area: type[diffrax.BrownianIncrement] = eqx.field(
        static=True, default=diffrax.BrownianIncrement
    )

    @classmethod
    def sample(
        cls, t0: Any, t1: Any, cells: int, dim: int, *, key: PRNGKey, dtype: Any = None
    ) -> "PresampledPath":
        """Draw the whole path, of shape `(dim,)`, in one call. Raises `ValueError` where `cells` is not
        positive, or (where traced, `eqx.error_if`) `t1` is not after `t0`."""
        if cells < 1:
            raise ValueError(f"cells is {cells}; a path needs at least one grid cell.")
        xp = numpy_for(t0, t1)
        span = t1 - t0
        t1 = require(t1, (span > 0) & xp.isfinite(span), "a path needs a finite time t1 > t0.")
        normal = jr.normal(key, (cells, dim), dtype or jnp.result_type(float))
        scale = jnp.sqrt(jnp.asarray((t1 - t0) / cells, normal.dtype))
        return cls.from_increments(t0, t1, normal * scale)

    @classmethod
    def from_increments(
        cls, t0: Any, t1: Any, increments: Float[Array, "cells D"], *, checked: bool = True
    ) -> "PresampledPath":
        """The path whose increments over the grid cells, shape `(cells, D)`, are given. `checked=False`
        trusts the caller to stay on the grid, which saves a test a stage in a training rollout."""
        start = jnp.zeros_like(increments[:1])
        values = jnp.concatenate([start, jnp.cumsum(increments, axis=0)])
        return cls(t0=t0, t1=t1, values=values, checked=checked)

    @classmethod
    def from_path(
        cls, path: diffrax.AbstractBrownianPath, t0: Any, t1: Any, cells: int
    ) -> "PresampledPath":
        """Read another path, such as a `VirtualBrownianTree`, at `cells + 1` grid times."""
        if cells < 1:
            raise ValueError(f"cells is {cells}; a path needs at least one grid cell.")
        times = (t0 + (t1 - t0) * jnp.arange(cells + 1) / cells).at[-1].set(t1)
        return cls(t0=t0, t1=t1, values=jax.vmap(lambda t: path.evaluate(t0, t))(times))

    def _index(self, t: Any) -> Array:
        cells = self.values.shape[0] - 1
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
        """The increment W(t1) − W(t0); of W(t0) from the start of the path if `t1` is left out."""
        del left
        if t1 is None:
            t0, t1 = self.t0, t0
        increment = self.values[self._index(t1)] - self.values[self._index(t0)]
        if use_levy:
            return diffrax.BrownianIncrement(dt=jnp.asarray(t1 - t0, increment.dtype), W=increment)
        return increment
