"""Forecasts of many windows, in blocks of one shape so that one program serves them all."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gyrax.model.forecaster import AbstractForecaster
from gyrax.model.system import System
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window

BATCH = 512
ROWS = 2048


def in_blocks(function: Callable[..., Any], *arrays: Any, size: int = BATCH) -> Any:
    """A function of rows of arrays (or pytrees of them), in blocks; the last one is filled up."""
    count = len(jax.tree.leaves(arrays)[0])
    size = min(size, count)
    parts = []
    for begin in range(0, count, size):
        rows = np.minimum(np.arange(begin, begin + size), count - 1)
        block = function(*jax.tree.map(lambda a, rows=rows: jnp.asarray(a[rows]), arrays))
        parts.append(jax.tree.map(np.asarray, block))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)


@eqx.filter_jit
def _roll(forecaster: AbstractForecaster, window: Window) -> Rollout:
    return jax.vmap(forecaster.rollout)(window)


@eqx.filter_jit
def _forecast(forecaster: AbstractForecaster, window: Window) -> jax.Array:
    return jax.vmap(forecaster.forecast)(window)


@eqx.filter_jit
def _decode(system: System, z: jax.Array) -> jax.Array:
    return jax.vmap(system.decoder)(z)[0]


@eqx.filter_jit
def _encode(system: System, x: jax.Array) -> jax.Array:
    return jax.vmap(system.encoder)(x).z


def rollouts(forecaster: AbstractForecaster, window: Window) -> Rollout:
    """Noise-free rollouts of a batch of windows, on the host."""
    return in_blocks(lambda block: _roll(forecaster, block), window)


def forecast(forecaster: AbstractForecaster, window: Window) -> Float[np.ndarray, "M H D"]:
    """The points that a forecaster answers a batch of windows with."""
    return in_blocks(lambda block: _forecast(forecaster, block), window)


def decode(system: System, points: np.ndarray) -> np.ndarray:
    """Features of points of any leading shape, texture unknown."""
    return _of_rows(lambda z: _decode(system, z), points)


def encode(system: System, x: np.ndarray) -> np.ndarray:
    """Points of features of any leading shape."""
    return _of_rows(lambda x: _encode(system, x), x)


def _of_rows(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    rows = values.reshape(-1, values.shape[-1])
    return in_blocks(function, rows, size=ROWS).reshape(*values.shape[:-1], -1)
