"""The optimiser: Adam over all trained parameters as one vector.

Sixty small arrays make sixty small kernels of every elementary operation; one vector makes one.
"""

from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from gyrax.model.forecaster import WORLD_MODEL
from gyrax.training.sections import TrainingSettings

WARMUP = 0.05


def make_optimiser(
    settings: TrainingSettings, rates: dict[str, float], labels: Any, params: Any, updates: int
) -> optax.GradientTransformation:
    """Clip the whole gradient, Adam, then each group's weight decay and learning rate.

    **Arguments:** `rates`, group -> learning rate; `labels`, the group of every leaf of the trained
    `params`; `updates`, the length of a cosine schedule, warm-up included. What is returned works on
    the vector of `jax.flatten_util.ravel_pytree(params)`.
    """
    groups, leaves = jax.tree.leaves(labels), jax.tree.leaves(params)
    decayed = [
        settings.weight_decay if group == WORLD_MODEL and leaf.ndim > 1 else 0.0
        for group, leaf in zip(groups, leaves, strict=True)
    ]
    sizes = [leaf.size for leaf in leaves]
    peaks = [rates[group] for group in groups]
    shape = _cosine(updates) if settings.schedule == "cosine" else None

    def init(params: Array) -> optax.ScaleByScheduleState:
        del params
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(vector: Array, state: Any, params: Array | None = None) -> tuple[Array, Any]:
        assert params is not None
        step = -_spread(peaks, sizes) * (1.0 if shape is None else shape(state.count))
        moved = step * (vector + _spread(decayed, sizes) * params)
        return moved, optax.ScaleByScheduleState(state.count + 1)

    return optax.chain(
        optax.clip_by_global_norm(settings.grad_clip),
        optax.scale_by_adam(),
        optax.GradientTransformation(init, update),  # pyright: ignore[reportArgumentType]
    )


def _cosine(updates: int) -> optax.Schedule:
    """From zero to one in the first `WARMUP` of all updates, then by half a cosine to zero."""
    rising = max(1, round(WARMUP * updates))
    return optax.warmup_cosine_decay_schedule(0.0, 1.0, rising, max(updates, rising + 1))


def _spread(values: list[float], sizes: list[int]) -> Float[Array, "..."]:
    """Each value as often as its size says, in a row; the value alone where all are the same."""
    if len(set(values)) == 1:
        return jnp.asarray(values[0])
    runs = [
        (value, sum(size for _, size in run))
        for value, run in groupby(zip(values, sizes, strict=True), key=lambda pair: pair[0])
    ]
    return jnp.concatenate([jnp.full(size, value) for value, size in runs])
