"""A pass over a block as one compiled function: a scan over the batches, data and state on the device."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from gyrax._types import AnyArray
from gyrax.losses.dynamics import geodesic
from gyrax.losses.total import Losses
from gyrax.model.system import System
from gyrax.model.window import gather_windows
from gyrax.nn import SpectralLinear
from gyrax.runtime.processes import kept_replicated, sharded_rows
from gyrax.training.phases import Data, Latents, Phase
from gyrax.training.state import TrainState

Given = tuple[Data, Int[AnyArray, " samples"], Int[AnyArray, ""]]
"""The data of a block, the order of its samples, and 1 where the epoch ends with it, else 0."""
Pass = Callable[[Given, TrainState], tuple[TrainState, dict[str, Array]]]
"""From what is given and a state to the state after the block, and the means of its batches."""


def batches_of(samples: int, batch_size: int) -> tuple[int, int]:
    """Batches of so many samples, and samples a batch: whole batches only, so that one shape is compiled."""
    size = min(batch_size, samples)
    return samples // size, size


STEP_ITERATIONS = 2


def refresh_trained(
    system: Any, trainable: Any, refresh: Callable[[SpectralLinear], SpectralLinear]
) -> Any:
    """Apply `refresh` to the spectral layers that are being trained; frozen ones stay as they are."""
    is_layer = lambda node: isinstance(node, SpectralLinear)
    return jax.tree.map(
        lambda node, flags: refresh(node) if is_layer(node) and flags.weight else node,
        system,
        trainable,
        is_leaf=is_layer,
    )


def exact_norms(state: TrainState, trainable: Any) -> TrainState:
    """Make the bound of every trained spectral layer exact, once an epoch and outside the compiled
    step: two power iterations a step only track σ; after this, saved layers never stretch."""
    system = refresh_trained(state.system, trainable, SpectralLinear.exact)
    return eqx.tree_at(lambda s: s.system, state, system)


def make_pass(
    phase: Phase,
    trainable: Any,
    optimiser: optax.GradientTransformation,
    samples: int,
    batch_size: int,
    mesh: Mesh | None = None,
) -> Pass:
    """The function that trains on one block of `phase`; compile it once and call it for every block.

    Noise comes from the number of the update, so that a resumed run sees the same. A batch is divided among
    the devices of `mesh`, if given.
    """
    batches, size = batches_of(samples, batch_size)

    def update(data: Data, state: TrainState, rows: Array) -> tuple[TrainState, dict[str, Array]]:
        params, rest = eqx.partition(state.system, trainable)

        def loss(params: Any) -> tuple[Array, Losses]:
            system = eqx.combine(params, rest)
            noise = jr.fold_in(jr.fold_in(state.key, 1), state.step)
            return phase.loss(system, data, rows, state.epoch, noise)

        (value, losses), grads = eqx.filter_value_and_grad(loss, has_aux=True)(params)
        (vector, unravel), (gradient, _) = ravel_pytree(params), ravel_pytree(grads)
        change, moments = optimiser.update(gradient, state.optimiser, vector)
        moved = jnp.asarray(optax.apply_updates(vector, change))
        system = eqx.combine(unravel(moved), rest)
        system = refresh_trained(system, trainable, lambda layer: layer.refreshed(STEP_ITERATIONS))
        metrics = losses | {"loss": value, "grad_norm": jnp.linalg.norm(gradient)}
        state = TrainState(system, moments, state.step + 1, state.epoch, state.key, state.phase)
        return state, metrics

    @eqx.filter_jit(donate="all-except-first")
    def train_block(given: Given, state: TrainState) -> tuple[TrainState, dict[str, Array]]:
        data, order, last = given
        arrays, static = eqx.partition(state, eqx.is_array)

        def body(arrays: Any, rows: Array) -> tuple[Any, dict[str, Array]]:
            rows = sharded_rows(rows, mesh)
            state, metrics = update(data, eqx.combine(arrays, static), rows)
            return kept_replicated(eqx.filter(state, eqx.is_array), mesh), metrics

        arrays, metrics = jax.lax.scan(body, arrays, order[: batches * size].reshape(batches, size))
        state = eqx.combine(arrays, static)
        state = eqx.tree_at(lambda s: s.epoch, state, state.epoch + last)
        return state, kept_replicated(jax.tree.map(jnp.mean, metrics), mesh)

    return train_block


@eqx.filter_jit
def encode_all(system: System, x: Float[Array, "N F"]) -> Latents:
    """Latents, chart weights and charts of every frame, in blocks that bound the memory."""

    def block(rows: Array) -> Latents:
        encoding = system.encoder(rows)
        return Latents(encoding.z, encoding.chart_weights, encoding.chart)

    return jax.lax.map(block, x, batch_size=1024)


@eqx.filter_jit
def validate_windows(system: System, data: Data) -> dict[str, Array]:
    """Mean geodesic error of the noise-free rollout, and of standing still, on held-out windows."""
    latents = encode_all(system, data.x)
    window = gather_windows(*latents, data.actions, data.index, data.mask)
    points, c = jax.vmap(system.forecast)(window), system.world_model.c
    still = jnp.broadcast_to(window.context[:, -1:], window.target.shape)
    return {
        "val_geodesic": geodesic(points, window.target, window.mask, c),
        "val_persistence": geodesic(still, window.target, window.mask, c),
    }


@eqx.filter_jit
def validate_frames(system: System, data: Data) -> dict[str, Array]:
    """Mean squared error of features decoded from the latent point alone, on held-out frames."""
    z, _, _ = encode_all(system, data.x)
    return {"val_recon": jnp.mean((jax.vmap(system.decode)(z) - data.x) ** 2)}
