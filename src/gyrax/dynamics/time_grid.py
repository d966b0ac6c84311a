"""The times of a simulation: whole steps from t0 to t1, and which of them are saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax.dynamics.checks import checked_times
from gyrax.dynamics.require import is_concrete


@dataclass(frozen=True)
class TimeGrid:
    """`steps` steps of equal length from `t0` to `t1`; `saves`, the numbers of the steps saved."""

    t0: float
    t1: float
    steps: int
    saves: tuple[int, ...]

    @property
    def dt(self) -> float:
        """The length of a step."""
        return (self.t1 - self.t0) / self.steps

    def time(self, k: Any) -> Float[Array, "*s"]:
        """The time after `k` steps, the last of which ends at `t1` to the bit."""
        t = jnp.where(k == self.steps, self.t1, self.t0 + k * self.dt)
        return jnp.asarray(t, jnp.result_type(float))


def time_grid(
    t0: Any, t1: Any, dt0: Any, saveat: int | Sequence[float] | np.ndarray | Array
) -> TimeGrid:
    """Lay the grid, whose times are Python floats, so that nothing about them is traced.

    **Arguments:** `saveat`, a number n of equally spaced times t0 + (t1 − t0)i/n for i = 1, ..., n, or
    increasing times on the grid.

    **Raises:** `ValueError` where the times are traced, `dt0` is not positive or does not divide
    t1 − t0, or a save does not fall on the end of a step.
    """
    if not is_concrete(t0, t1, dt0, saveat):
        raise ValueError(
            "t0, t1, dt0 and saveat of a simulation decide its shapes; pass Python numbers, not "
            "values traced by jit or vmap."
        )
    t0, t1, dt0 = float(t0), float(t1), float(dt0)
    if not dt0 > 0.0:
        raise ValueError(f"dt0 is {dt0}; the step must be positive.")
    if not (np.isfinite(t0) and np.isfinite(t1) and t1 > t0):
        raise ValueError(f"t0 is {t0} and t1 is {t1}; a simulation runs forwards, so give t1 > t0.")
    steps = round((t1 - t0) / dt0)
    if steps < 1 or abs((t1 - t0) / dt0 - steps) > 1e-5 * max(steps, 1):
        near = max(steps, 1)
        raise ValueError(
            f"t1 - t0 = {t1 - t0} is no whole number of steps of dt0 = {dt0}; use dt0 = "
            f"{(t1 - t0) / near} for {near} steps."
        )
    dt = (t1 - t0) / steps
    return checked_times(TimeGrid(t0, t1, steps, _saves(saveat, t0, dt, steps)), t0, dt, steps)


def _saves(saveat: Any, t0: float, dt: float, steps: int) -> tuple[int, ...]:
    if isinstance(saveat, int | np.integer):
        if saveat < 1 or steps % saveat:
            raise ValueError(
                f"saveat is {saveat}; a number of saves must divide the {steps} steps, so that every "
                "save ends a step."
            )
        return tuple(range(steps // saveat, steps + 1, steps // saveat))
    if not isinstance(saveat, np.ndarray | jax.Array | Sequence):
        raise ValueError(
            f"saveat is a {type(saveat).__name__}; give a number of equally spaced saves, or the "
            "times themselves."
        )
    times = np.atleast_1d(np.asarray(saveat))
    times = times if np.issubdtype(times.dtype, np.floating) else times.astype(float)
    place = (times.astype(float) - t0) / dt
    index = np.rint(place).astype(int)
    slack = 1e-6 + 4.0 * np.finfo(times.dtype).eps * (np.abs(times).astype(float) + abs(t0)) / dt
    off = np.flatnonzero((np.abs(place - index) > slack) | (index < 0) | (index > steps))
    if off.size:
        raise ValueError(
            f"saveat holds {times[off[0]]}, which no step ends at: states are never interpolated, so "
            f"save at t0 + k·dt0 = {t0} + k·{dt} with 0 ≤ k ≤ {steps}, or change dt0."
        )
    if times.ndim != 1 or times.size == 0 or np.any(np.diff(index) <= 0):
        raise ValueError("saveat must hold one row of increasing times.")
    return tuple(int(k) for k in index)
