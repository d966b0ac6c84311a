"""The one trained pytree: encoder, decoder and world model."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from gyrax.atlas import Decoder, Encoder, Encoding
from gyrax.model.world_model import Trajectory, WorldModel
from gyrax.nn.spectral import is_frozen


class System(eqx.Module):
    """Everything that training trains. The atlas' jump operator is the world model's own."""

    encoder: Encoder
    decoder: Decoder
    world_model: WorldModel

    def encode(self, x: Float[Array, "*batch F"]) -> Encoding:
        """Encode a batch of feature vectors of any leading shape."""
        function = self.encoder
        for _ in x.shape[:-1]:
            function = jax.vmap(function)
        return function(x)

    def decode(self, z: Float[Array, "*batch D"]) -> Float[Array, "*batch F"]:
        """Decode a batch of points of any leading shape, texture unknown."""
        function = lambda point: self.decoder(point)[0]
        for _ in z.shape[:-1]:
            function = jax.vmap(function)
        return function(z)

    def rollout(
        self,
        z: Float[Array, "B context D"],
        w0: Float[Array, "B K"],
        actions: Float[Array, "B H A"],
        keys: Any = None,
    ) -> Trajectory:
        """Roll out a batch of windows from their context: one point, or two, which give a velocity.

        `keys`, one for each window, draw noise.
        """

        def one(points: Array, weights: Array, act: Array, key: Any) -> Trajectory:
            previous = points[-2] if points.shape[0] > 1 else None
            return self.world_model.rollout(points[-1], act, weights, key=key, z_previous=previous)

        in_axes = (0, 0, 0, None if keys is None else 0)
        return jax.vmap(one, in_axes)(z, w0, actions, keys)


def parameters(tree: Any) -> Any:
    """A pytree of booleans: which leaves are parameters (arrays of floats that are not frozen)."""
    return jax.tree.map(
        lambda node: (
            jax.tree.map(lambda _: False, node) if is_frozen(node) else eqx.is_inexact_array(node)
        ),
        tree,
        is_leaf=is_frozen,
    )
