"""Training of everything that is compared: the same data, batches, optimiser and compiled epoch.

What differs between forecasters is the loss' forward pass alone; see [`forecaster_phase`][].
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax._errors import InputError
from gyrax._types import PRNGKey
from gyrax.evaluation.baselines import FlatTwin
from gyrax.losses.dynamics import energy_score, geodesic
from gyrax.losses.total import DynamicsBatch, Losses, dynamics_losses, total
from gyrax.model.system import System, parameters
from gyrax.runtime.device import compiled
from gyrax.training.build import build_system
from gyrax.training.phases import Data, Phase, make_phases, samples_of
from gyrax.training.regression import regress_servo, with_regressed_servo
from gyrax.training.settings import TrainConfig
from gyrax.training.start import start_phase
from gyrax.training.step import exact_norms

GROUP = "world_model"
Told = Callable[[int, float], None]
Diverged = Callable[[int, int], None]
Finished = Callable[[int, Any], None]


class ForecasterPhase(Phase):
    """Phase 2 for a forecaster that is not a [`System`][]: all of its parameters train."""

    def labels(self, system: Any) -> Any:
        """For every leaf the name of its group in `rates`, or "frozen"."""
        trained = system.trainable() if isinstance(system, FlatTwin) else parameters(system)
        return jax.tree.map(lambda is_trained: GROUP if is_trained else "frozen", trained)

    def trainable(self, system: Any) -> Any:
        """A pytree of booleans: which leaves train."""
        return jax.tree.map(lambda label: label != "frozen", self.labels(system))


def world_model_phase(config: TrainConfig, last_phase: int) -> Phase:
    """Phase 2 of a configuration, with as many epochs as a run up to `last_phase` spends on windows.

    Raises `InputError` where that is none.
    """
    phase = make_phases(config)[2]
    epochs = phase.epochs + (config.phase3_epochs if last_phase == 3 else 0)
    if epochs == 0:
        raise InputError(
            "the checkpoint's settings have no epochs of phases 2 and 3, so nothing says how long its "
            "baselines are to be trained; train the world model first, or add --no-baselines."
        )
    return dataclasses.replace(phase, epochs=epochs)


def forecaster_phase(config: TrainConfig, phase: Phase) -> ForecasterPhase:
    """`phase` for a module with `forecast(context, weights, actions) -> points`, vmapped over windows.

    Networks have the geodesic loss, a flat twin all the losses of the world model.
    """

    def loss(
        module: Any, data: Data, rows: Array, epoch: Array, key: PRNGKey
    ) -> tuple[Array, Losses]:
        del epoch
        index, mask = data.index[rows], data.mask[rows]
        z, weights, chart = data.latents
        context = config.wm_context
        acts = data.actions[index[:, context - 1 : -1]]
        window = (z[index[:, :context]], weights[index[:, context - 1]], acts)
        target = z[index[:, context:]]
        if isinstance(module, FlatTwin):
            losses = twin_losses(config, module, window, target, chart[index], mask, key)
        else:
            points = jax.vmap(module.forecast)(*window)
            losses = {"geodesic": geodesic(points, target, mask, config.curvature)}
        return total(losses, config.weights), losses

    return ForecasterPhase(
        phase.number,
        phase.title,
        phase.epochs,
        phase.windows,
        phase.encoder_frozen,
        phase.rates,
        loss,
    )


def twin_losses(
    config: TrainConfig,
    twin: FlatTwin,
    window: tuple[Array, Array, Array],
    target: Array,
    chart: Array,
    mask: Array,
    key: PRNGKey,
) -> Losses:
    """The dynamics losses of a flat twin: energies in its own metric, distances on the ball."""
    samples, count = samples_of(config), len(mask)

    def roll(keys: Any) -> Any:
        in_axes = (0, 0, 0, None if keys is None else 0)
        return jax.vmap(twin.rollout, in_axes)(*window, keys)

    trajectory = roll(None if samples else jr.split(key, count))
    start = chart.shape[1] - mask.shape[1] - 1
    batch = DynamicsBatch(
        trajectory,
        twin.to_flat(target),
        chart[:, start + 1 :],
        mask,
        chart[:, start],
        twin.model.frame_time,
        twin.model.c,
    )
    points = twin.to_ball(trajectory.positions)
    losses = dynamics_losses(batch) | {"geodesic": geodesic(points, target, mask, twin.c)}
    if samples:
        drawn = jax.vmap(lambda keys: roll(keys).positions)(jr.split(key, (samples, count)))
        losses["energy_score"] = energy_score(twin.to_ball(drawn), target, mask, twin.c)
    return losses


def fresh_system(config: TrainConfig, system: System, seed: int) -> System:
    """`system` with a freshly initialised world model; the atlas' jump operator is kept."""
    features = system.encoder.first.weight.shape[-1]
    fresh = build_system(config, features, key=jr.fold_in(jr.key(seed), 0)).world_model
    fresh = eqx.tree_at(lambda w: w.jump_operator, fresh, system.world_model.jump_operator)
    return System(system.encoder, system.decoder, fresh)


def regressed(module: Any, data: Data) -> Any:
    """A forecaster as its training begins: world models have their servo force regressed."""
    if isinstance(module, System):
        return with_regressed_servo(module, data)
    if isinstance(module, FlatTwin) and module.model.servo is not None:
        model = regress_servo(module.model, data, module.to_flat(data.latents[0]))
        return eqx.tree_at(lambda twin: twin.model, module, model)
    return module


def fit(
    config: TrainConfig,
    phase: Phase,
    data: Data,
    modules: Sequence[Any],
    seeds: Sequence[int],
    finished: Finished,
    told: Told = lambda epochs, loss: None,
    diverged: Diverged | None = None,
) -> None:
    """Train one module a seed (alike but for their arrays) by one program that is compiled once.

    `finished(i, module)` is called with each trained module, `told(epochs done in all, loss)` after
    every epoch, and `diverged(i, epoch)` where a loss is not finite; without it `InputError` is raised.
    """
    samples = len(data.index)
    program = None
    for i, (module, seed) in enumerate(zip(modules, seeds, strict=True)):
        state, epoch, trainable = start_phase(
            config, phase, regressed(module, data), samples, seed=seed
        )
        if program is None:
            program = compiled(epoch, data, state, phase=phase.number)
        for number in range(phase.epochs):
            state, metrics = program(data, state)
            state = exact_norms(state, trainable)
            loss = float(metrics["loss"])
            told(i * phase.epochs + number + 1, loss)
            if jnp.isfinite(loss):
                continue
            if diverged is None:
                raise InputError(
                    f"{type(module).__name__} of seed {seed} diverged in epoch {number}; its "
                    "learning rate (--lr-wm of the checkpoint) is too high for it."
                )
            diverged(i, number)
            break
        else:
            finished(i, state.system)
