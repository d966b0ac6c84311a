"""Policies fitted to the recorded actions: what needs neither world model nor search."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from gyrax._types import PRNGKey
from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.actors import Actions, Frames, stacked_past
from gyrax.evaluation.control.pairs import Pair
from gyrax.planning.imagination import Scale
from gyrax.planning.robot import Robot
from gyrax.training.dataset import Dataset

WIDTH, DEPTH = 256, 2
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2
UPDATES, BATCH = 4000, 256
LEAST = 10
"""Frames that are said to be left at least, so that a late robot does not leap."""


class Imitator(eqx.Module):
    """A network from what is seen, what is wanted, and the action before, to the next action.

    With a `horizon` it is told how many frames are left, up to that many: inverse dynamics over several
    frames. Without one it is behaviour cloning towards goals that the episode itself reached later.

    **Fields:** `columns`, where what is wanted is among the standardised features.
    """

    network: eqx.nn.MLP
    columns: tuple[int, ...] = eqx.field(static=True)
    timed: bool = eqx.field(static=True)
    horizon: int = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        features: int,
        actions: int,
        columns: tuple[int, ...],
        *,
        timed: bool,
        horizon: int,
        key: PRNGKey,
    ) -> "Imitator":
        """An untrained one; `horizon`, how far ahead goals lie in training."""
        inputs = features + len(columns) + actions + timed
        network = eqx.nn.MLP(inputs, actions, WIDTH, DEPTH, activation=jax.nn.gelu, key=key)
        return cls(network, columns, timed, horizon)

    def __call__(
        self,
        x: Float[Array, " F"],
        goal: Float[Array, " F"],
        before: Float[Array, " A"],
        left: Float[Array, ""],
    ) -> Float[Array, " A"]:
        """The next action less the one before, all standardised; `left`, frames, counts if `timed`."""
        wanted = (goal - x)[np.array(self.columns)]
        known = [x, wanted, before]
        if self.timed:
            known.append(jnp.minimum(left, self.horizon)[None] / self.horizon)
        return self.network(jnp.concatenate(known))


class Examples(NamedTuple):
    """Frames that are followed by others of their episode: their numbers, and how many follow."""

    frame: Int[np.ndarray, " N"]
    remaining: Int[np.ndarray, " N"]


def examples_of(dataset: Dataset) -> Examples:
    """Of the training episodes; the first frame of each, which has no action before, is left out."""
    offsets, rows, remaining = dataset.frames.offsets.tolist(), [], []
    for episode in dataset.split["train"].tolist():
        last = offsets[episode + 1] - 1
        rows.append(np.arange(offsets[episode] + 1, last))
        remaining.append(last - rows[-1])
    return Examples(np.concatenate(rows), np.concatenate(remaining))


def trained(imitator: Imitator, dataset: Dataset, seed: int) -> Imitator:
    """Trained on recorded actions, towards frames that lie 1 to `horizon` frames ahead."""
    examples, width = examples_of(dataset), len(dataset.frames.action_columns)
    order = np.random.default_rng(seed).integers(len(examples.frame), size=(UPDATES, BATCH))
    arrays = dataset.x, dataset.actions[:, :width], *examples
    x, actions, frame, left, rows = map(jnp.asarray, (*arrays, order))
    return _train(imitator, x, actions, frame, left, rows, jr.key(seed))


@eqx.filter_jit
def _train(
    imitator: Imitator,
    x: Float[Array, "M F"],
    actions: Float[Array, "M A"],
    frame: Int[Array, " N"],
    remaining: Int[Array, " N"],
    order: Int[Array, "U B"],
    key: PRNGKey,
) -> Imitator:
    optimiser = optax.adamw(
        optax.cosine_decay_schedule(LEARNING_RATE, len(order)), weight_decay=WEIGHT_DECAY
    )
    params, static = eqx.partition(imitator, eqx.is_array)

    def loss(params: Imitator, rows: Array, key: PRNGKey) -> Array:
        at = frame[rows]
        far = jnp.minimum(remaining[rows], imitator.horizon)
        ahead = 1 + jnp.floor(jr.uniform(key, rows.shape) * far).astype(int)
        given = x[at], x[at + ahead], actions[at - 1], ahead.astype(x.dtype)
        guess = jax.vmap(eqx.combine(params, static))(*given)
        return jnp.mean((guess - (actions[at] - actions[at - 1])) ** 2)

    def update(carry: tuple, rows: Array) -> tuple:
        params, state, key = carry
        key, draw = jr.split(key)
        change, state = optimiser.update(jax.grad(loss)(params, rows, draw), state, params)
        return (optax.apply_updates(params, change), state, key), None

    (params, _, _), _ = jax.lax.scan(update, (params, optimiser.init(params), key), order)
    return eqx.combine(params, static)


class Imitation:
    """An imitator in closed loop, in the units of the data."""

    def __init__(self, imitator: Imitator, scale: Scale, robot: Robot):
        """`scale` standardises; `robot` bounds the actions."""
        self.imitator, self.scale, self.robot = imitator, scale, robot

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """From the last actions before the starts."""
        del bridges
        self.goals = np.stack([p.goal for p in pairs])
        self.before, self.left = stacked_past(pairs)[1][:, -1], self.imitator.horizon

    def act(self, frames: Frames) -> Actions:
        """What the network answers."""
        left = np.full(len(frames), max(self.left, LEAST), np.float32)
        arguments = frames, self.goals, self.before, left
        wanted = np.asarray(_answer(self.imitator, self.scale, *map(jnp.asarray, arguments)))
        if self.robot.rate is not None:
            step = np.clip(wanted - self.before, -self.robot.rate, self.robot.rate)
            wanted = self.before + step
        self.before = np.clip(wanted, self.robot.low, self.robot.high).astype(np.float32)
        self.left -= 1
        return self.before


@eqx.filter_jit
def _answer(
    imitator: Imitator, scale: Scale, frames: Array, goals: Array, before: Array, left: Array
) -> Array:
    """The next actions, in the units of the data."""
    width = before.shape[1]
    mean, std = scale.action_mean[:width], scale.action_scale[:width]
    known = jnp.where(std > 0, (before - mean) / jnp.where(std > 0, std, 1.0), 0.0)
    change = jax.vmap(imitator)(scale.features(frames), scale.features(goals), known, left)
    return before + change * std
