"""What every forecaster is: the world model, its flat twin, and networks beside them."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window

ENCODER, WORLD_MODEL = "encoder", "world_model"
"""The groups of parameters that phases give learning rates to, beside those that never train."""


class AbstractForecaster(eqx.Module):
    """Forecasts windows of latents, and can be trained to: from known points of shape `(context, D)` and
    actions `(H, A)` to H points `(H, D)`."""

    @property
    @abc.abstractmethod
    def is_stochastic(self) -> bool:
        """Whether rollouts with a key differ from each other."""

    @abc.abstractmethod
    def groups(self) -> Any:
        """A pytree like this module's: for each leaf, which group of parameters it belongs to."""

    @abc.abstractmethod
    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """Roll out one window from its context, weights and actions; batch it with `jax.vmap`.

        `key` draws noise, where there is any.
        """

    @abc.abstractmethod
    def regressed(self, windows: Window) -> "AbstractForecaster":
        """As training begins: with what least squares can tell of a batch of training windows."""

    def forecast(self, window: Window) -> Float[Array, "H D"]:
        """The points of one window without noise."""
        return self.rollout(window).points
