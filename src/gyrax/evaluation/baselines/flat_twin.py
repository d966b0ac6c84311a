"""The world model with its metric made flat: the control that shows whether curvature helps.

Every formula of the model takes the curvature c, and all of them are analytic at c = 0, where the
metric is 4 times the Euclidean one: in the coordinates v = log₀ z, whose length is half the distance
from the origin, distances from the origin are those of the ball. At c = `FLAT` the terms in c are
below the rounding of float32, so that the twin is the same program in Euclidean space.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.geometry import exp_map, log_map
from gyrax.model.forecaster import ENCODER, WORLD_MODEL, AbstractForecaster
from gyrax.model.trajectory import Rollout
from gyrax.model.window import Window
from gyrax.model.world_model import WorldModel
from gyrax.nn.frozen import grouped
from gyrax.training.settings import Settings

FLAT = 1e-8
CENTER = "center"


def flat_settings(settings: Settings) -> Settings:
    """The same in Euclidean space."""
    return replace(settings, encoder=replace(settings.encoder, curvature=FLAT))


class FlatTwin(AbstractForecaster):
    """A world model in log₀ coordinates with the Euclidean metric; it takes and gives points of the
    ball of curvature −c, so that it is trained and scored as the others are.

    **Fields:** `model`, of curvature −`FLAT`; `c`.
    """

    model: WorldModel
    c: float = eqx.field(static=True)

    @classmethod
    def of(cls, ball: WorldModel, flat: WorldModel) -> "FlatTwin":
        """The twin that starts with the parameters of `ball`, its chart centres mapped by log₀.

        `flat` has the same architecture at curvature `FLAT`; of its arrays only the shapes matter.
        """
        arrays = eqx.filter(ball, eqx.is_array)

        def moved(path: Any, leaf: Array) -> Array:
            is_center = getattr(path[-1], "name", None) == CENTER
            return log_map(jnp.zeros_like(leaf), leaf, ball.c) if is_center else leaf

        leaves = jax.tree.leaves(jax.tree_util.tree_map_with_path(moved, arrays))
        shapes, static = eqx.partition(flat, eqx.is_array)
        model = eqx.combine(jax.tree.unflatten(jax.tree.structure(shapes), leaves), static)
        return cls(model, ball.c)

    @property
    def is_stochastic(self) -> bool:
        """Whether the model has noise."""
        return self.model.is_stochastic

    def groups(self) -> Any:
        """The jump operator is the atlas', as in a system."""
        operator = grouped(self.model.jump_operator, ENCODER)
        return eqx.tree_at(
            lambda twin: twin.model.fields.jump_operator, grouped(self, WORLD_MODEL), operator
        )

    def to_flat(self, points: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """log₀ of points of the ball."""
        return log_map(jnp.zeros_like(points), points, self.c)

    def to_ball(self, points: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """exp₀: back to the ball."""
        return exp_map(jnp.zeros_like(points), points, self.c)

    def rollout(self, window: Window, key: PRNGKey | None = None) -> Rollout:
        """Points of the ball, and the trajectory in flat coordinates."""
        known = self.to_flat(window.context)
        previous = known[-2] if len(known) > 1 else None
        trajectory = self.model.rollout(
            known[-1], window.actions, window.weights, key=key, z_previous=previous
        )
        return Rollout(self.to_ball(trajectory.positions), trajectory)

    def regressed(self, windows: Window) -> "FlatTwin":
        """With the servo force regressed in flat coordinates."""
        flat = lambda points: np.asarray(self.to_flat(jnp.asarray(points)))
        windows = replace(windows, context=flat(windows.context), target=flat(windows.target))
        return replace(self, model=self.model.regressed(windows))
