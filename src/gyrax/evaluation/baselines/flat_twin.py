"""The world model with its metric made flat: what says whether the curvature earns its keep.

Every formula of the model takes the curvature c, and all of them are analytic at c = 0, where the
metric is 4 times the Euclidean one: in the coordinates v = log₀ z, whose length is half the distance
from the origin, distances from the origin are those of the ball. At c = `FLAT` the terms in c are
below the rounding of float32, so that the twin is the same program in Euclidean space.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax.geometry import exp_map, log_map
from gyrax.model.system import parameters
from gyrax.model.world_model import Trajectory, WorldModel

FLAT = 1e-8
CENTER = "center"


class FlatTwin(eqx.Module):
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

    def trainable(self) -> Any:
        """A pytree of booleans: all parameters but the jump operator's, which is the atlas'."""
        frozen = jax.tree.map(lambda _: False, self.model.jump_operator)
        return eqx.tree_at(lambda twin: twin.model.jump_operator, parameters(self), frozen)

    def to_flat(self, points: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """log₀ of points of the ball."""
        return log_map(jnp.zeros_like(points), points, self.c)

    def to_ball(self, points: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """exp₀: back to the ball."""
        return exp_map(jnp.zeros_like(points), points, self.c)

    def rollout(
        self,
        context: Float[Array, "context D"],
        weights: Float[Array, " K"],
        actions: Float[Array, "H A"],
        key: Any = None,
    ) -> Trajectory:
        """One window in flat coordinates, from a context on the ball."""
        known = self.to_flat(context)
        previous = known[-2] if len(known) > 1 else None
        return self.model.rollout(known[-1], actions, weights, key=key, z_previous=previous)

    def forecast(
        self,
        context: Float[Array, "context D"],
        weights: Float[Array, " K"],
        actions: Float[Array, "H A"],
    ) -> Float[Array, "H D"]:
        """The points, on the ball, of one window without noise."""
        return self.to_ball(self.rollout(context, weights, actions).positions)
