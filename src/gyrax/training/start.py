"""How the training of a phase begins: its first state, and its epoch, ready to be compiled."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh

from gyrax.training.optimiser import make_optimiser
from gyrax.training.phases import Phase
from gyrax.training.settings import TrainConfig
from gyrax.training.state import TrainState
from gyrax.training.step import Epoch, batches_of, make_epoch


class Started(NamedTuple):
    """The first state of a phase, its epoch, and which leaves of the system it trains."""

    state: TrainState
    epoch: Epoch
    trainable: Any


def start_phase(
    config: TrainConfig,
    phase: Phase,
    system: Any,
    samples: int,
    *,
    seed: int,
    mesh: Mesh | None = None,
) -> Started:
    """Begin `phase` on `samples` windows or frames an epoch; its randomness derives from `seed`."""
    trainable = phase.trainable(system)
    params, labels = (eqx.filter(t, trainable) for t in (system, phase.labels(system)))
    updates = phase.epochs * batches_of(samples, config.batch_size)[0]
    optimiser = make_optimiser(config, phase.rates, labels, params, updates)
    state = TrainState(
        # A copy, for the compiled epoch takes its state's buffers over.
        jax.tree.map(_copy, system),
        jax.jit(lambda tree: optimiser.init(ravel_pytree(tree)[0]))(params),
        jnp.zeros((), jnp.int32),
        jnp.zeros((), jnp.int32),
        jr.fold_in(jr.key(seed), phase.number),
        phase.number,
    )
    epoch = make_epoch(config, phase, trainable, optimiser, samples, mesh)
    return Started(state, epoch, trainable)


def _copy(leaf: Any) -> Any:
    return jax.device_put(leaf, leaf.sharding, may_alias=False) if eqx.is_array(leaf) else leaf
