"""The three phases as data: what each trains, on what, by which losses and learning rates."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from gyrax._types import AnyArray, PRNGKey
from gyrax.losses.reach import Later, draw_gaps
from gyrax.losses.total import (
    RAMPED,
    REACH,
    DynamicsBatch,
    Losses,
    dynamics_losses,
    encoder_losses,
    ramp,
    total,
)
from gyrax.model.forecaster import ENCODER, WORLD_MODEL, AbstractForecaster
from gyrax.model.system import System
from gyrax.model.window import Window, cut_window, gather_windows
from gyrax.nn.frozen import FROZEN
from gyrax.training.settings import Settings

SAMPLES = 2
Loss = Callable[[Any, "Data", Int[Array, " B"], Int[Array, ""], PRNGKey], tuple[Array, Losses]]


class Latents(NamedTuple):
    """What the encoder makes of N frames."""

    z: Float[AnyArray, "N D"]
    weights: Float[AnyArray, "N K"]
    chart: Int[AnyArray, " N"]


class Data(NamedTuple):
    """What a phase reads, on the device or the host: standardised frames, and windows of frame numbers.

    `latents`, of every frame, are there where the encoder is frozen: it then runs once, not per step. So is
    the frozen `decoder`. `left`, how many frames of its episode follow each frame, is there where a sample is
    a frame.
    """

    x: Float[AnyArray, "N F"]
    actions: Float[AnyArray, "N A"]
    index: Int[AnyArray, "M length"]
    mask: Float[AnyArray, "M H"]
    latents: Latents | None = None
    decoder: Any = None
    left: Int[AnyArray, " N"] | None = None

    def windows(self) -> Window:
        """All windows at once, on the host. Their frames must have been encoded."""
        assert self.latents is not None
        arrays = (*self.latents, self.actions, self.index, self.mask)
        return gather_windows(*(np.asarray(array) for array in arrays))


@dataclass(frozen=True)
class Phase:
    """One phase of the curriculum.

    **Fields:** `number`; `title`; `windows`, whether a sample is a window (else one frame);
    `encoder_frozen`; `rates`, the learning rate of each group of parameters that trains; `loss`.
    """

    number: int
    title: str
    epochs: int
    windows: bool
    encoder_frozen: bool
    rates: dict[str, float]
    loss: Loss

    def labels(self, forecaster: AbstractForecaster) -> Any:
        """For every leaf the name of its group in `rates`, or that of what is frozen."""
        keep = lambda name: name if name in self.rates else FROZEN
        return jax.tree.map(keep, forecaster.groups())

    def trainable(self, forecaster: AbstractForecaster) -> Any:
        """A pytree of booleans: which leaves this phase trains."""
        return jax.tree.map(lambda label: label != FROZEN, self.labels(forecaster))


def make_phases(settings: Settings) -> dict[int, Phase]:
    """The three phases under the given settings."""
    training = settings.training
    first, second, third = training.phase1, training.phase2, training.phase3
    joint = {ENCODER: third.lr_encoder, WORLD_MODEL: third.lr_world_model}
    return {
        1: Phase(
            1, "encoder", first.epochs, False, False, {ENCODER: first.lr}, _encoder_loss(settings)
        ),
        2: Phase(
            2, "world model", second.epochs, True, True, {WORLD_MODEL: second.lr}, _world_loss(settings)
        ),
        3: Phase(3, "joint", third.epochs, True, False, joint, _joint_loss(settings)),
    }  # fmt: skip


def _encoder_total(settings: Settings, losses: Losses, epoch: Array) -> Array:
    weights = settings.weights
    return total(losses, weights | {RAMPED: ramp(weights[RAMPED], epoch)})


def _encoder_loss(settings: Settings) -> Loss:
    def loss(
        system: System, data: Data, rows: Array, epoch: Array, key: PRNGKey
    ) -> tuple[Array, Losses]:
        x, later = data.x[rows], None
        if settings.weights[REACH] > 0:
            assert data.left is not None
            gaps = draw_gaps(key, data.left[rows])
            later = Later(system.encode(data.x[rows + gaps]).z, gaps)
        losses = encoder_losses(system, x, system.encode(x), later)
        return _encoder_total(settings, losses, epoch), losses

    return loss


def window_losses(
    settings: Settings,
    forecaster: AbstractForecaster,
    window: Window,
    key: Any,
    decoder: Any,
    x: Float[Array, "B H F"],
) -> Losses:
    """Roll out a batch of windows and hold it against their targets, which are detached, and, where that
    loss has a weight, what the `decoder` makes of it against the features `x`.

    Where sampled rollouts are scored as forecasts, every other loss sees the noise-free one, which no
    temperature moves. Without a `key` all is noise-free.
    """
    count = len(window.mask)

    def roll(keys: Any) -> Any:
        return jax.vmap(forecaster.rollout, (0, None if keys is None else 0))(window, keys)

    drawn = None
    if key is not None and forecaster.is_stochastic and settings.weights["energy_score"] > 0:
        drawn = jax.vmap(lambda keys: roll(keys).points)(jr.split(key, (SAMPLES, count)))
        key = None
    rollout = roll(None if key is None else jr.split(key, count))
    observed = replace(window, target=jax.lax.stop_gradient(window.target))
    features = None
    if settings.weights["feature"] > 0:
        features = jax.vmap(jax.vmap(lambda z: decoder(z)[0]))(rollout.points), x
    c, frame_time = settings.encoder.curvature, settings.integration.frame_time
    return dynamics_losses(DynamicsBatch(rollout, observed, frame_time, c, drawn, features))


def _world_loss(settings: Settings) -> Loss:
    def loss(
        forecaster: AbstractForecaster, data: Data, rows: Array, epoch: Array, key: PRNGKey
    ) -> tuple[Array, Losses]:
        del epoch
        assert data.latents is not None
        index = data.index[rows]
        window = gather_windows(*data.latents, data.actions, index, data.mask[rows])
        x = data.x[index[:, -window.horizon :]]
        losses = window_losses(settings, forecaster, window, key, data.decoder, x)
        return total(losses, settings.weights), losses

    return loss


def _joint_loss(settings: Settings) -> Loss:
    context, phase = settings.integration.context, settings.training.phase3

    def loss(
        system: System, data: Data, rows: Array, epoch: Array, key: PRNGKey
    ) -> tuple[Array, Losses]:
        index = data.index[rows]
        x = data.x[index]
        known = system.encode(x[:, :context])
        target = jax.lax.stop_gradient(system.encode(x[:, context:]))
        z = jnp.concatenate([known.z, target.z], axis=1)
        chart = jnp.concatenate([known.chart, target.chart], axis=1)
        first = jax.tree.map(lambda a: a[:, 0], known)
        later = None
        if settings.weights[REACH] > 0:
            left = context - 1 + data.mask[rows].sum(1).astype(int)
            gaps = draw_gaps(key, left)
            later = Later(jax.vmap(lambda points, gap: points[gap])(z, gaps), gaps)
        encoder = encoder_losses(system, x[:, 0], first, later)
        weights = known.chart_weights[:, -1]
        window = cut_window(z, weights, chart, data.actions[index], data.mask[rows])
        dynamics = window_losses(settings, system, window, key, system.decoder, x[:, context:])
        value = phase.encoder_scale * _encoder_total(settings, encoder, epoch)
        value = value + phase.dynamics_scale * total(dynamics, settings.weights)
        return value, encoder | dynamics

    return loss
