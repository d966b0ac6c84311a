"""The one trained pytree: encoder, decoder and world model."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gyrax._types import PRNGKey
from gyrax.atlas import Decoder, Encoder, Encoding
from gyrax.atlas.principal import SIZE, principal_maps
from gyrax.geometry import distance
from gyrax.model.forecaster import ENCODER, WORLD_MODEL, AbstractForecaster
from gyrax.model.time_to_go import TimeToGo
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window
from gyrax.model.world_model import WorldModel
from gyrax.nn.frozen import grouped

NEIGHBOURS = 4096
"""Pairs of frames from which the scale of time is started."""


class System(AbstractForecaster):
    """Everything that training trains. The atlas' jump operator is the world model's own.

    **Fields:** `encoder`, of standardised features `(F,)` to a point `(D,)`; `decoder`, back; `world_model`;
    `time_to_go`, where distances of latents are trained to tell it, or None.
    """

    encoder: Encoder
    decoder: Decoder
    world_model: WorldModel
    time_to_go: TimeToGo | None = None

    @property
    def is_stochastic(self) -> bool:
        """Whether the world model has noise."""
        return self.world_model.is_stochastic

    def encode(self, x: Float[Array, "*batch F"]) -> Encoding:
        """Encode standardised feature vectors, shape `(..., F)`, to points `(..., D)` and what else is in an
        [`Encoding`][]."""
        function = self.encoder
        for _ in x.shape[:-1]:
            function = jax.vmap(function)
        return function(x)

    def decode(self, z: Float[Array, "*batch D"]) -> Float[Array, "*batch F"]:
        """Decode points, shape `(..., D)`, to standardised features `(..., F)`, texture unknown."""
        function = lambda point: self.decoder(point)[0]
        for _ in z.shape[:-1]:
            function = jax.vmap(function)
        return function(z)

    def started(self, x: Float[np.ndarray, "N F"], left: Int[np.ndarray, " N"]) -> "System":
        """As phase 1 begins on these frames, unless it has begun before: with the linear path through the
        latent, and the scale of time, if there are such. `left`: how many frames of its episode follow each.
        """
        system = self.with_principal(x)
        if self.time_to_go is None or jnp.any(self.time_to_go.log_frames):
            return system
        rows = np.flatnonzero(left > 0)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), NEIGHBOURS)).astype(int)]
        z, following = (system.encode(jnp.asarray(x[r])).z for r in (rows, rows + 1))
        time = self.time_to_go.started(np.asarray(distance(z, following, self.encoder.c)))
        return eqx.tree_at(lambda s: s.time_to_go, system, time)

    def with_principal(self, x: Float[np.ndarray, "N F"]) -> "System":
        """With the linear path through the latent, if there is one, started from the principal components of
        these frames, unless that was done before."""
        linear = self.encoder.linear
        if linear is None or jnp.any(linear.value):
            return self
        # A latent that is to tell time starts nearly flat: its distances grow as they learn to.
        size = SIZE if self.time_to_go is None else SIZE / 2
        inward, outward = (jnp.asarray(a) for a in principal_maps(x, len(linear.value), size))
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
