"""A plain autoencoder: what networks of this size lose by encoding alone."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.training.settings import Settings
from gyrax.training.step import batches_of

WIDTH, HIDDEN = 256, 2
LEARNING_RATE = 1e-3
FEWEST_UPDATES = 500


class Autoencoder(eqx.Module):
    """Features to as many numbers as our latent has and back, each way by two hidden layers."""

    encoder: eqx.nn.MLP
    decoder: eqx.nn.MLP

    @classmethod
    def create(cls, features: int, dim: int, *, key: PRNGKey) -> "Autoencoder":
        """An untrained one of `dim` latent numbers."""
        first, second = jr.split(key)
        mlp = partial(eqx.nn.MLP, width_size=WIDTH, depth=HIDDEN, activation=jax.nn.gelu)
        return cls(mlp(features, dim, key=first), mlp(dim, features, key=second))

    def __call__(self, x: Float[Array, " F"]) -> Float[Array, " F"]:
        """The features, encoded and decoded."""
        return self.decoder(self.encoder(x))

    def squared_error(self, x: Float[Array, "B F"]) -> Float[Array, ""]:
        """Its mean over frames and features."""
        return jnp.mean((jax.vmap(self)(x) - x) ** 2)

    def trained(
        self, x: Float[np.ndarray, "N F"], updates: int, size: int, seed: int
    ) -> "Autoencoder":
        """Trained on batches of `size` of these frames, by Adam with a cosine schedule to zero."""
        rng, count = np.random.default_rng(seed), len(x)
        passes = -(-updates * size // count)
        order = np.concatenate([rng.permutation(count).astype(np.int32) for _ in range(passes)])
        return _train(
            self, jnp.asarray(x), jnp.asarray(order[: updates * size].reshape(updates, size))
        )


def updates_of(settings: Settings, frames: int) -> tuple[int, int]:
    """Updates and batch size: those of phase 1, but at least `FEWEST_UPDATES`."""
    batches, size = batches_of(frames, settings.training.batch_size)
    return max(FEWEST_UPDATES, settings.training.phase1.epochs * batches), size


@eqx.filter_jit
def _train(start: Autoencoder, x: Array, order: Array) -> Autoencoder:
    optimiser = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, len(order)))
    params, static = eqx.partition(start, eqx.is_inexact_array)

    def loss(params: Autoencoder, rows: Array) -> Array:
        return eqx.combine(params, static).squared_error(x[rows])

    def update(carry: tuple, rows: Array) -> tuple:
        params, moments = carry
        change, moments = optimiser.update(jax.grad(loss)(params, rows), moments)
        return (optax.apply_updates(params, change), moments), None

    (params, _), _ = jax.lax.scan(update, (params, optimiser.init(params)), order)
    return eqx.combine(params, static)
