"""The one training loop: a phase, compiled once, as a generator of its epochs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

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
from gyrax.training.blocks import Streamed, Whole
from gyrax.training.optimiser import make_optimiser
from gyrax.training.phases import Data, Phase
from gyrax.training.settings import Settings
from gyrax.training.state import TrainState
from gyrax.training.step import Given, Pass, batches_of, exact_norms, make_pass

Epochs = Iterator[tuple[int, TrainState, dict[str, float]]]
"""Epochs finished, the state after them, and the means of the last one."""


class Part(NamedTuple):
    """How far an epoch has come that is not finished: `block` of its `blocks` are done, and `sums` are those
    of their means, by name."""

    block: int = 0
    blocks: int = 1
    sums: Mapping[str, float] = {}


Between = Callable[[TrainState, Part], object]
"""Called after every block but the last of an epoch."""


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

    **Fields:** `blocks`, what it trains on; `run`, the pass over one of them, compiled or not; `optimiser`;
    `trainable`, which leaves train; `mesh`, the devices that share each batch.
    """

    phase: Phase
    blocks: Whole | Streamed
    run: Pass
    optimiser: Any
    trainable: Any
    mesh: Mesh | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        phase: Phase,
        forecaster: AbstractForecaster,
        blocks: Whole | Streamed,
        *,
        mesh: Mesh | None = None,
    ) -> "Fit":
        """Prepare a phase. Raises `InputError` where a block is less than a batch."""
        samples, size = blocks.samples, settings.training.batch_size
        if blocks.count > 1 and samples < size:
            raise InputError(
                f"--block-mb is {settings.training.run.block_mb}: a block then has {samples} samples to "
                f"draw, less than --batch-size {size}; use larger blocks, or smaller batches."
            )
        trainable = phase.trainable(forecaster)
        params, labels = (eqx.filter(t, trainable) for t in (forecaster, phase.labels(forecaster)))
        updates = phase.epochs * blocks.count * batches_of(samples, size)[0]
        optimiser = make_optimiser(settings.training, phase.rates, labels, params, updates)
        run = make_pass(phase, trainable, optimiser, samples, size, mesh)
        return cls(phase, blocks, run, optimiser, trainable, mesh)

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

    def arguments(self, state: TrainState) -> tuple[Given, TrainState]:
        """What `run` is called with: the first block, and the state."""
        return self._given(
            self.blocks.first(), np.zeros(self.blocks.samples, np.int32), True
        ), state

    def _given(self, data: Data, order: Any, last: bool) -> Given:
        order, end = replicated(tuple(jnp.asarray(x, jnp.int32) for x in (order, last)), self.mesh)
        return data, order, end

    def compiled(self, state: TrainState) -> "Fit":
        """The same with the pass over a block compiled for states like this one."""
        run = compiled(self.run, *self.arguments(state), phase=self.phase.number)
        return replace(self, run=run)

    def __call__(
        self, state: TrainState, part: Part | None = None, between: Between | None = None
    ) -> Epochs:
        """Train from `state` to the end of the phase; in the middle of an epoch, from `part` on. A state is
        used up when the next block begins.

        Raises `DivergedError` where the loss is not finite.
        """
        part = part or Part(blocks=self.blocks.count)
        while (epoch := int(state.epoch)) < self.phase.epochs:
            for data, order in self.blocks(state.key, epoch, part.block):
                last = part.block + 1 == self.blocks.count
                state, means = self.run(self._given(data, order, last), state)
                sums = {k: part.sums.get(k, 0.0) + float(v) for k, v in means.items()}
                check_finite(epoch, {"loss": sums["loss"]})
                part = Part(part.block + 1, self.blocks.count, sums)
                if between is not None and not last:
                    between(state, part)
            state = replicated(exact_norms(state, self.trainable), self.mesh)
            yield epoch + 1, state, {k: v / part.blocks for k, v in part.sums.items()}
            part = Part(blocks=self.blocks.count)


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
        prepared = fit or Fit.of(settings, phase, begun, Whole.of(data))
        state = prepared.start(begun, seed)
        fit = fit or prepared.compiled(state)
        yield fit(state)


def check_finite(epoch: int, metrics: dict[str, float]) -> None:
    """Raise `DivergedError` where a number is not finite."""
    if bad := [name for name, value in metrics.items() if not np.isfinite(value)]:
        raise DivergedError(epoch, bad)


def _copy(leaf: Any) -> Any:
    return jax.device_put(leaf, leaf.sharding, may_alias=False) if eqx.is_array(leaf) else leaf
