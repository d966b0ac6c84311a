"""The one trained pytree: encoder, decoder and world model."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.atlas import Decoder, Encoder, Encoding
from gyrax.atlas.principal import principal_maps
from gyrax.model.forecaster import ENCODER, WORLD_MODEL, AbstractForecaster
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window
from gyrax.model.world_model import WorldModel
from gyrax.nn.frozen import grouped


class System(AbstractForecaster):
    """Everything that training trains. The atlas' jump operator is the world model's own."""

    encoder: Encoder
    decoder: Decoder
    world_model: WorldModel

    @property
    def is_stochastic(self) -> bool:
        """Whether the world model has noise."""
        return self.world_model.is_stochastic

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

    def with_principal(self, x: Float[np.ndarray, "N F"]) -> "System":
        """With the linear path through the latent, if there is one, started from the principal components of
        these frames, unless that was done before."""
        linear = self.encoder.linear
        if linear is None or jnp.any(linear.value):
            return self
        inward, outward = (jnp.asarray(a) for a in principal_maps(x, linear.value.shape[0]))
        path = lambda s: (s.encoder.linear.value, s.decoder.skip.weight)
        return eqx.tree_at(path, self, (inward, outward))

    def groups(self) -> Any:
        """Encoder, decoder and the jump operator, which is the atlas', train together."""
        groups = grouped(self, ENCODER)
        groups = eqx.tree_at(
            lambda s: s.world_model, groups, grouped(self.world_model, WORLD_MODEL)
        )
        operator = grouped(self.world_model.jump_operator, ENCODER)
        return eqx.tree_at(lambda s: s.world_model.fields.jump_operator, groups, operator)

    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """The world model's rollout from the last known point; one before it gives a velocity."""
        points = window.context
        previous = points[-2] if points.shape[0] > 1 else None
        trajectory = self.world_model.rollout(
            points[-1], window.actions, window.weights, key=key, z_previous=previous
        )
        return Rollout(trajectory.positions, trajectory)

    def regressed(self, windows: Window) -> "System":
        """With the servo force of the world model regressed, and its chart target started from the decoder's
        router, which too tells the chart from the point alone; unless that was done before."""
        model, router = self.world_model.regressed(windows), self.decoder.router
        target = model.chart_target.started(router.centers, router.quadratic)
        model = eqx.tree_at(lambda m: m.fields.chart_target, model, target)
        return eqx.tree_at(lambda s: s.world_model, self, model)
