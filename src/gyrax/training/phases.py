"""The three phases as data: what each trains, on what, by which losses and learning rates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from gyrax._types import PRNGKey
from gyrax.losses.total import (
    RAMPED,
    DynamicsBatch,
    Losses,
    dynamics_losses,
    encoder_losses,
    ramp,
    total,
)
from gyrax.model.system import System, parameters
from gyrax.model.world_model import Trajectory
from gyrax.training.settings import TrainConfig

SAMPLES = 2
Loss = Callable[[System, "Data", Int[Array, " B"], Int[Array, ""], PRNGKey], tuple[Array, Losses]]


class Data(NamedTuple):
    """What a phase reads, on the device: standardised frames, and windows of frame numbers.

    `latents`, of every frame, are there where the encoder is frozen: it then runs once, not per step.
    """

    x: Float[Array, "N F"]
    actions: Float[Array, "N A"]
    index: Int[Array, "M length"]
    mask: Float[Array, "M H"]
    latents: Any = None


@dataclass(frozen=True)
class Phase:
    """One phase of the curriculum.

    **Fields:** `number`; `title`; `windows`, whether a sample is a window (else one frame);
    `trainable(system)`, the parts that train, by learning rate: part -> rate; `loss`.
    """

    number: int
    title: str
    epochs: int
    windows: bool
    encoder_frozen: bool
    rates: dict[str, float]
    loss: Loss

    def labels(self, system: System) -> Any:
        """For every leaf of `system` the name of its group in `rates`, or "frozen"."""
        mask = parameters(system)
        group = jax.tree.map(lambda _: "encoder", system)
        world = jax.tree.map(lambda _: "world_model", system.world_model)
        operator = jax.tree.map(lambda _: "encoder", system.world_model.jump_operator)
        world = eqx.tree_at(lambda w: w.jump_operator, world, operator)
        group = eqx.tree_at(lambda s: s.world_model, group, world)
        keep = lambda name, is_parameter: name if is_parameter and name in self.rates else "frozen"
        return jax.tree.map(keep, group, mask)

    def trainable(self, system: System) -> Any:
        """A pytree of booleans: which leaves this phase trains."""
        return jax.tree.map(lambda label: label != "frozen", self.labels(system))


def make_phases(config: TrainConfig) -> dict[int, Phase]:
    """The three phases under a configuration."""
    c = config
    return {
        1: Phase(1, "encoder", c.phase1_epochs, False, False, {"encoder": c.lr}, _encoder_loss(c)),
        2: Phase(
            2, "world model", c.phase2_epochs, True, True, {"world_model": c.lr_wm}, _world_loss(c)
        ),
        3: Phase(
            3,
            "joint",
            c.phase3_epochs,
            True,
            False,
            {"encoder": c.lr_joint_encoder, "world_model": c.lr_joint_wm},
            _joint_loss(c),
        ),
    }


def _encoder_total(config: TrainConfig, losses: Losses, epoch: Array) -> Array:
    return total(losses, config.weights | {RAMPED: ramp(config.weights[RAMPED], epoch)})


def _encoder_loss(config: TrainConfig) -> Loss:
    def loss(
        system: System, data: Data, rows: Array, epoch: Array, key: PRNGKey
    ) -> tuple[Array, Losses]:
        del key
        x = data.x[rows]
        losses = encoder_losses(system, x, system.encode(x))
        return _encoder_total(config, losses, epoch), losses

    return loss


def window_losses(
    system: System,
    z: Array,
    w: Array,
    chart: Array,
    actions: Array,
    mask: Array,
    key: Any,
    samples: int = 0,
) -> tuple[Losses, DynamicsBatch]:
    """Roll out a batch of windows and hold it against the encoder's latents, which are detached.

    `z` (B, length, D), `chart` (B, length), `actions` (B, length, A), `w` (B, K) of the frame from
    which the rollout starts; `mask` (B, H). With `samples`, that many noisy rollouts are scored as
    forecasts, and every other loss sees the noise-free one, which no temperature moves.
    """
    horizon = mask.shape[1]
    context = z.shape[1] - horizon
    acts = actions[:, context - 1 : -1]

    def roll(keys: Any) -> Trajectory:
        return system.rollout(z[:, :context], w, acts, keys)

    drawn = None
    if key is not None and samples:
        drawn = jax.vmap(lambda keys: roll(keys).positions)(jr.split(key, (samples, z.shape[0])))
    trajectory = roll(None if key is None or samples else jr.split(key, z.shape[0]))
    batch = DynamicsBatch(
        trajectory,
        jax.lax.stop_gradient(z[:, context:]),
        chart[:, context:],
        mask,
        chart[:, context - 1],
        system.world_model.frame_time,
        system.world_model.c,
        drawn,
    )
    return dynamics_losses(batch), batch


def samples_of(config: TrainConfig) -> int:
    """How many rollouts a window are sampled in training: none where nothing scores them."""
    return SAMPLES if config.weights["energy_score"] > 0 else 0


def _world_loss(config: TrainConfig) -> Loss:
    def loss(
        system: System, data: Data, rows: Array, epoch: Array, key: PRNGKey
    ) -> tuple[Array, Losses]:
        del epoch
        index = data.index[rows]
        z, w, chart = data.latents
        start = index[:, config.wm_context - 1]
        losses, _ = window_losses(
            system, z[index], w[start], chart[index], data.actions[index], data.mask[rows], key,
            samples_of(config),
        )  # fmt: skip
        return total(losses, config.weights), losses

    return loss


def _joint_loss(config: TrainConfig) -> Loss:
    context = config.wm_context

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
        encoder = encoder_losses(system, x[:, 0], first)
        dynamics, _ = window_losses(
            system,
            z,
            known.chart_weights[:, -1],
            chart,
            data.actions[index],
            data.mask[rows],
            key,
            samples_of(config),
        )
        value = config.encoder_scale * _encoder_total(config, encoder, epoch)
        value = value + config.dynamics_scale * total(dynamics, config.weights)
        return value, encoder | dynamics

    return loss
