"""What becomes of plans, by a forecaster: observations in, features of the data out."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import AnyArray
from gyrax.data.normaliser import Normaliser
from gyrax.model.forecaster import AbstractForecaster
from gyrax.model.window import Window
from gyrax.training.support import Support


class Imagined(NamedTuple):
    """What is expected to follow: features in the units of the data, and points of the latent space."""

    features: Float[Array, "*batch H F"]
    points: Float[Array, "*batch H D"]


class Observed(eqx.Module):
    """What an agent knows as it plans, in the units of the data, the newest last.

    **Fields:** `frames`, as many as the forecaster's context; `actions` given before, at least two;
    `episode`, its number among those that are run at once.
    """

    frames: Float[AnyArray, "*batch context F"]
    actions: Float[AnyArray, "*batch past A"]
    episode: Any


class AbstractImagination(eqx.Module):
    """Foresees the frames of N plans of one episode at once."""

    @abc.abstractmethod
    def __call__(self, observed: Observed, actions: Float[Array, "N H A"]) -> Imagined:
        """The frames that follow each of these sequences of actions, given in the units of the data."""

    @abc.abstractmethod
    def point(self, features: Float[Array, " F"]) -> Float[Array, " D"]:
        """The latent point of features in the units of the data."""


class Scale(eqx.Module):
    """A normaliser's statistics under `jax.jit`; a constant column is left out, and put back as it was."""

    mean: Float[Array, " F"]
    scale: Float[Array, " F"]
    low: Float[Array, " F"]
    high: Float[Array, " F"]
    action_mean: Float[Array, " history_A"]
    action_scale: Float[Array, " history_A"]
    kept: tuple[int, ...] = eqx.field(static=True)
    history: int = eqx.field(static=True)

    @classmethod
    def of(cls, normaliser: Normaliser, support: Support) -> "Scale":
        """Of a checkpoint's statistics."""
        kept = tuple(int(i) for i in np.flatnonzero(normaliser.kept))
        array = lambda values: jnp.asarray(values, jnp.float32)
        return cls(
            array(normaliser.feature_mean),
            array(normaliser.feature_std),
            array(support.lowest),
            array(support.highest),
            array(normaliser.action_mean),
            array(normaliser.action_std),
            kept,
            normaliser.history,
        )

    def features(self, raw: Float[Array, "*batch F"]) -> Float[Array, "*batch kept"]:
        """Standardised, and clipped to the range of the training episodes: what lies beyond it was never
        encoded, and comes out as anything."""
        rows = np.array(self.kept)
        return (jnp.clip(raw, self.low, self.high) - self.mean)[..., rows] / self.scale[rows]

    def raw(self, x: Float[Array, "*batch kept"]) -> Float[Array, "*batch F"]:
        """Standardised features in the units of the data."""
        rows = np.array(self.kept)
        full = jnp.broadcast_to(self.mean, (*x.shape[:-1], self.mean.size))
        return full.at[..., rows].add(x * self.scale[rows])

    def actions(
        self, actions: Float[Array, "H A"], before: Float[Array, "past A"]
    ) -> Float[Array, "H history_A"]:
        """Standardised, with as many differences to the actions before as the model was trained on."""
        past = self.history - 1
        whole = jnp.concatenate([before[len(before) - past :], actions])
        differences = [jnp.diff(whole, n, axis=0)[past - n :] for n in range(self.history)]
        values = jnp.concatenate(differences, axis=1) - self.action_mean
        fixed = self.action_scale == 0
        return jnp.where(fixed, 0.0, values / jnp.where(fixed, 1.0, self.action_scale))


class ForecastImagination(AbstractImagination):
    """Any forecaster with its way into its latent space and out of it.

    **Fields:** `encode` makes points and chart weights of standardised features; `decode` the reverse.
    Decoded features are shifted by what is decoded wrong of the present frame, which is known.
    """

    forecaster: AbstractForecaster
    encode: Callable[[Float[Array, " kept"]], tuple[Array, Array]]
    decode: Callable[[Float[Array, " D"]], Float[Array, " kept"]]
    scale: Scale

    def point(self, features: Float[Array, " F"]) -> Float[Array, " D"]:
        """The latent point of features in the units of the data."""
        return self.encode(self.scale.features(features))[0]

    def __call__(self, observed: Observed, actions: Float[Array, "N H A"]) -> Imagined:
        """The frames that follow each of these sequences of actions, given in the units of the data."""
        x = self.scale.features(observed.frames)
        points, weights = jax.vmap(self.encode)(x)
        wrong = observed.frames[-1] - self.scale.raw(self.decode(points[-1]))

        def one(actions: Float[Array, "H A"]) -> Imagined:
            given = self.scale.actions(actions, observed.actions)
            horizon = len(given)
            # A forecast reads no target, chart or mask.
            window = Window(
                context=points,
                weights=weights[-1],
                actions=given,
                target=jnp.zeros((horizon, points.shape[-1])),
                chart=jnp.zeros(horizon + 1, int),
                mask=jnp.ones(horizon),
            )
            ahead = self.forecaster.forecast(window)
            return Imagined(self.scale.raw(jax.vmap(self.decode)(ahead)) + wrong, ahead)

        return jax.vmap(one)(actions)


class SimulatedImagination(AbstractImagination):
    """The simulator itself, from its true state: what planning with a perfect model would do.

    **Fields:** `simulate` takes numbers of episodes `(E,)` and actions `(E, N, H, A)`, and gives features
    `(E, N, H, F)`, on the host; `encode`, for objectives in a latent space.
    """

    simulate: Callable[[np.ndarray, np.ndarray], np.ndarray] = eqx.field(static=True)
    encode: Callable[[Float[Array, " F"]], Float[Array, " D"]]

    def point(self, features: Float[Array, " F"]) -> Float[Array, " D"]:
        """The latent point of features in the units of the data."""
        return self.encode(features)

    def __call__(self, observed: Observed, actions: Float[Array, "N H A"]) -> Imagined:
        """The frames that follow each of these sequences of actions, given in the units of the data."""
        shape = (*actions.shape[:2], observed.frames.shape[-1])
        result = jax.ShapeDtypeStruct(shape, jnp.float32)
        features = jax.pure_callback(
            self.simulate, result, observed.episode, actions, vmap_method="expand_dims"
        )
        return Imagined(features, jax.vmap(jax.vmap(self.point))(features))
