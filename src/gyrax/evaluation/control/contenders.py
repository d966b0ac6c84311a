"""Everyone who is compared in closed loop, by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._errors import InputError
from gyrax.evaluation.baselines.linear import LinearForecaster, Ridge
from gyrax.evaluation.cache import Cache
from gyrax.evaluation.contestants import Contest
from gyrax.evaluation.control.actors import (
    Actor,
    Hold,
    Oracle,
    Planned,
    Random,
    Replay,
    Servo,
)
from gyrax.evaluation.control.imitation import UPDATES, Imitation, Imitator, trained
from gyrax.evaluation.feature_space import FEATURE, Identity, features_as_latents
from gyrax.model.forecaster import AbstractForecaster
from gyrax.planning.assignment import Assignment
from gyrax.planning.controller import Controller
from gyrax.planning.imagination import (
    AbstractImagination,
    ForecastImagination,
    SimulatedImagination,
)
from gyrax.planning.settings import PlanSettings
from gyrax.planning.setup import Decoded, imagination_of, make_controller
from gyrax.training.checkpoint import Checkpoint

MODEL = "gyrax"
NAMES = (
    "hold", "random", "servo", "replay", "oracle", "cloning", "inverse_dynamics", "gru", "mlp", "ridge",
    "flat_twin",
)  # fmt: skip
"""What stands beside the model."""


class OnlyChart(eqx.Module):
    """The encoder of features that are their own latents, on a single chart."""

    def __call__(self, x: Float[Array, " F"]) -> tuple[Float[Array, " F"], Float[Array, "1"]]:
        """As they are."""
        return x, jnp.ones(1)


@dataclass(frozen=True)
class Contenders:
    """Makes actors for one checkpoint, task and settings; those that are fitted are kept in the run folder.

    **Fields:** `ahead`, frames from start to goal; `seed`, of the planners' draws.
    """

    checkpoint: Checkpoint
    assignment: Assignment
    settings: PlanSettings
    cache: Cache
    ahead: int
    seed: int = 0

    def make(self, name: str) -> Actor:
        """The actor of that name. Raises `InputError` where it cannot take part."""
        made: dict[str, Callable[[], Actor]] = {
            MODEL: lambda: self._planned(self.own),
            "hold": Hold,
            "random": Random,
            "servo": self._servo,
            "replay": Replay,
            "oracle": self._oracle,
            "cloning": lambda: self._imitation("cloning"),
            "inverse_dynamics": lambda: self._imitation("inverse_dynamics"),
            "gru": lambda: self._planned(self._in_features("gru")),
            "mlp": lambda: self._planned(self._in_features("mlp")),
            "ridge": lambda: self._planned(self._in_features("ridge")),
            "flat_twin": lambda: self._planned(self._twin()),
        }
        return made[name]()

    @cached_property
    def own(self) -> ForecastImagination:
        """What the checkpoint's own model foresees."""
        return imagination_of(self.checkpoint)

    def _controller(self, imagination: AbstractImagination, settings: PlanSettings) -> Controller:
        robot, task = self.assignment.robot, self.assignment.task
        return make_controller(imagination, self.checkpoint, robot, task, settings, self.seed)

    def _planned(self, imagination: AbstractImagination) -> Planned:
        return Planned(self._controller(imagination, self.settings))

    def _oracle(self) -> Oracle:
        """The same planner and objective; a latent one reads true features that are encoded. Unlike a model
        it is right about unusual actions too, so that they are not avoided.
        """
        if self.settings.planner == "gradient":
            raise InputError("the simulator has no gradient; leave the oracle out (--against).")
        calls: list[Oracle] = []
        simulate = lambda episodes, actions: calls[0].simulate(episodes, actions)
        settings = replace(self.settings, support=0.0)
        oracle = Oracle(self._controller(SimulatedImagination(simulate, self.own.point), settings))
        calls.append(oracle)
        return oracle

    def _servo(self) -> Servo:
        if not self.assignment.robot.relative or self.assignment.robot.joints is None:
            raise InputError("the actions are no targets of joints that are among the features.")
        return Servo(self.assignment.robot)

    def _twin(self) -> ForecastImagination:
        return replace(self.own, forecaster=self._trained(self.cache, "flat_twin"))

    def _in_features(self, name: str) -> ForecastImagination:
        """A forecaster that knows nothing of our latent."""
        if name == "ridge":
            forecaster: AbstractForecaster = self._ridge()
        else:
            features = features_as_latents(self.cache.encoded)
            forecaster = self._trained(replace(self.cache, encoded=features), FEATURE + name)
        return ForecastImagination(forecaster, OnlyChart(), Decoded(Identity()), self.own.scale)

    def _trained(self, cache: Cache, name: str) -> AbstractForecaster:
        seed = self.checkpoint.meta.settings.training.run.seed
        [forecaster] = Contest(cache).train([name], [seed])[name]
        return forecaster

    def _ridge(self) -> LinearForecaster:
        features = features_as_latents(self.cache.encoded)
        train, val = (features.windows(n, self.settings.horizon) for n in ("train", "val"))
        if train is None or val is None:
            raise InputError("no episode is long enough to fit it to a whole plan.")
        ridge = Ridge(train.window, val.window, features.settings.encoder.curvature)
        return LinearForecaster.of(ridge, train.window.actions.shape[-1])

    def _imitation(self, name: str) -> Imitation:
        dataset, task = self.cache.encoded.dataset, self.assignment.task
        kept = np.flatnonzero(dataset.normaliser.kept).tolist()
        columns = tuple(kept.index(c) for c in task.columns if c in kept)
        seed = self.checkpoint.meta.settings.training.run.seed
        fresh = Imitator.create(
            dataset.features,
            len(dataset.frames.action_columns),
            columns,
            timed=name == "inverse_dynamics",
            horizon=self.ahead,
            key=jr.key(seed),
        )
        title = f"{name}-{self.ahead}-{'-'.join(map(str, columns))}"
        imitator: Any = self.cache.load(title, seed, UPDATES, fresh)
        if imitator is None:
            imitator = trained(fresh, dataset, seed)
            self.cache.save(title, seed, UPDATES, imitator)
        return Imitation(imitator, self.own.scale, self.assignment.robot)
