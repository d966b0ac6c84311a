"""The one training loop: a phase, compiled once, as a generator of its epochs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh

from gyrax._errors import InputError
from gyrax.model.forecaster import AbstractForecaster
from gyrax.runtime.device import compiled
from gyrax.runtime.processes import replicated
from gyrax.training.optimiser import make_optimiser
from gyrax.training.phases import Data, Phase
from gyrax.training.settings import Settings
from gyrax.training.state import TrainState
from gyrax.training.step import Epoch, batches_of, exact_norms, make_epoch

Epochs = Iterator[tuple[int, TrainState, dict[str, float]]]
"""Epochs finished, the state after them, and the means of the last one."""


class DivergedError(InputError):
    """Numbers of an epoch are not finite.

    **Fields:** `epoch`, counted from 0; `names`, of those numbers.
    """

    def __init__(self, epoch: int, names: list[str]):
        super().__init__(f"epoch {epoch} diverged ({', '.join(names)} not finite)")
        self.epoch, self.names = epoch, names


@dataclass(frozen=True)
class Fit:
    """A phase on one data set, for forecasters that are alike but for their arrays.

    **Fields:** `epoch`, the function of one epoch, compiled or not; `optimiser`; `trainable`, which
    leaves train; `mesh`, the devices that share each batch.
    """

    phase: Phase
    data: Data
    epoch: Epoch
    optimiser: Any
    trainable: Any
    mesh: Mesh | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        phase: Phase,
        forecaster: AbstractForecaster,
        data: Data,
        *,
        samples: int | None = None,
        mesh: Mesh | None = None,
    ) -> "Fit":
        """Prepare a phase; an epoch takes only `samples` windows or frames, if given."""
        samples = samples or (len(data.index) if phase.windows else len(data.x))
        size = settings.training.batch_size
        trainable = phase.trainable(forecaster)
        params, labels = (eqx.filter(t, trainable) for t in (forecaster, phase.labels(forecaster)))
        updates = phase.epochs * batches_of(samples, size)[0]
        optimiser = make_optimiser(settings.training, phase.rates, labels, params, updates)
        epoch = make_epoch(phase, trainable, optimiser, samples, size, mesh)
        return cls(phase, replicated(data, mesh), epoch, optimiser, trainable, mesh)

    def start(self, forecaster: AbstractForecaster, seed: int) -> TrainState:
        """The first state of the phase; its randomness derives from `seed`."""
        params = eqx.filter(forecaster, self.trainable)
        state = TrainState(
            # A copy, for the compiled epoch takes its state's buffers over.
            jax.tree.map(_copy, forecaster),
            jax.jit(lambda tree: self.optimiser.init(ravel_pytree(tree)[0]))(params),
            jnp.zeros((), jnp.int32),
            jnp.zeros((), jnp.int32),
            jr.fold_in(jr.key(seed), self.phase.number),
            self.phase.number,
        )
        return replicated(state, self.mesh)

    def compiled(self, state: TrainState) -> "Fit":
        """The same with the epoch compiled for states like this one."""
        epoch = compiled(self.epoch, self.data, state, phase=self.phase.number)
        return replace(self, epoch=epoch)

    def __call__(self, state: TrainState) -> Epochs:
        """Train from `state` to the end of the phase. A state is used up when the next epoch begins.

        Raises `DivergedError` where the loss is not finite.
        """
        while int(state.epoch) < self.phase.epochs:
            state, means = self.epoch(self.data, state)
            state = replicated(exact_norms(state, self.trainable), self.mesh)
            number, metrics = int(state.epoch), {k: float(v) for k, v in means.items()}
            check_finite(number - 1, {"loss": metrics["loss"]})
            yield number, state, metrics


def fit_each(
    settings: Settings,
    phase: Phase,
    data: Data,
    forecasters: Sequence[AbstractForecaster],
    seeds: Sequence[int],
) -> Iterator[Epochs]:
    """The epochs of forecasters that are alike but for their arrays, one forecaster after the other, by
    one program that is compiled once."""
    windows, fit = data.windows(), None
    for forecaster, seed in zip(forecasters, seeds, strict=True):
        begun = forecaster.regressed(windows)
        prepared = fit or Fit.of(settings, phase, begun, data)
        state = prepared.start(begun, seed)
        fit = fit or prepared.compiled(state)
        yield fit(state)


def check_finite(epoch: int, metrics: dict[str, float]) -> None:
    """Raise `DivergedError` where a number is not finite."""
    if bad := [name for name, value in metrics.items() if not np.isfinite(value)]:
        raise DivergedError(epoch, bad)


def _copy(leaf: Any) -> Any:
    return jax.device_put(leaf, leaf.sharding, may_alias=False) if eqx.is_array(leaf) else leaf
