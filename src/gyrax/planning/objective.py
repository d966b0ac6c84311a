"""What is wanted of a plan: terms over the frames that are imagined, each a cost to be made small."""

import abc
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import AnyArray
from gyrax.geometry import distance, safe_norm
from gyrax.planning.imagination import Imagined
from gyrax.training.support import Support

NEVER = 50.0
"""Most that one frame's surprise counts: beyond it every plan is alike unusual."""


class Goal(eqx.Module):
    """A frame to be reached: its features in the units of the data, and its latent point."""

    features: Float[Array, "*batch F"]
    point: Float[Array, "*batch D"]


class Candidate(NamedTuple):
    """A plan that is weighed: the H frames that are imagined, its actions, and the action before it."""

    imagined: Imagined
    actions: Float[Array, "H A"]
    present: Float[Array, " A"]


class AbstractTerm(eqx.Module):
    """One cost of a plan."""

    @abc.abstractmethod
    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """The cost of one plan."""


class Objective(eqx.Module):
    """A sum of terms with weights."""

    terms: tuple[AbstractTerm, ...]
    weights: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """The cost of one plan."""
        values = [term(plan, goal) for term in self.terms]
        return sum((w * v for w, v in zip(self.weights, values, strict=True)), jnp.zeros(()))


def _weighed(costs: Float[Array, " H"], along: float) -> Float[Array, ""]:
    """The end, and `along` times the mean over the plan: near in the end, and near soon."""
    return along * costs.mean() + costs[-1]


class FeatureDistance(AbstractTerm):
    """How far some columns are from the goal's, in units of `scale`: the root of the mean square."""

    columns: tuple[int, ...] = eqx.field(static=True)
    scale: Float[Array, " G"]
    along: float = eqx.field(static=True, default=1.0)

    def distance(
        self, features: Float[AnyArray, "*#batch F"], goal: Float[AnyArray, "*#batch F"]
    ) -> Float[Array, "*batch"]:
        """Of features from the goal's."""
        rows = np.array(self.columns)
        away = jnp.asarray(features - goal)[..., rows] / self.scale
        return safe_norm(away) * len(rows) ** -0.5

    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """Over the plan."""
        return _weighed(self.distance(plan.imagined.features, goal.features), self.along)


class LatentDistance(AbstractTerm):
    """The geodesic distance of latent points from the goal's, on the ball of curvature −c, in units of
    `unit`."""

    c: float = eqx.field(static=True)
    along: float = eqx.field(static=True, default=1.0)
    unit: float = eqx.field(static=True, default=1.0)

    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """Over the plan."""
        away = distance(plan.imagined.points, goal.point, self.c) / self.unit
        return _weighed(away, self.along)


class Approach(AbstractTerm):
    """Shaping for pushes: how far the effector is from the place behind a body, seen from the goal.

    A body moves only where it is touched, so that its distance from the goal says nothing to a plan that does
    not touch it. The term fades out where the body is at the goal; of several, one after the other counts.

    **Fields:** `effector` and each of `bodies`, columns of a position, x y z in one unit, or x y; `behind`,
    how far from a body's centre the place is, in that unit; `unit`, of the cost; `reached`, the distance from
    the goal at which the term has faded to a half.
    """

    effector: tuple[int, ...] = eqx.field(static=True)
    bodies: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    behind: float = eqx.field(static=True)
    reached: float = eqx.field(static=True)
    unit: Float[Array, ""]

    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """The mean over the plan."""
        effector = plan.imagined.features[:, np.array(self.effector)]
        cost, turn = jnp.zeros(len(effector)), jnp.ones(len(effector))
        for body in map(np.array, self.bodies):
            position = plan.imagined.features[:, body]
            way = (goal.features[body] - position).at[:, 2:].set(0.0)  # along the table
            left = safe_norm(way)
            place = position - self.behind * way / jnp.maximum(left, 0.1 * self.behind)[:, None]
            active = turn * jax.nn.sigmoid((left / self.reached - 1.0) * 4.0)
            cost, turn = cost + active * safe_norm(effector - place), turn - active
        return jnp.mean(cost) / self.unit


class Unusual(AbstractTerm):
    """How unlike the data the actions are: outside of it the forecaster knows nothing, and a planner finds
    its errors."""

    support: Support

    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """The mean over the plan."""
        return jnp.minimum(self.support.surprise(plan.actions, plan.present), NEVER).mean()


class Reward(AbstractTerm):
    """The environment's own reward, as far as it is a function of what is achieved and what is desired.

    **Fields:** `reward` takes both, `(M, G)` each, and gives `(M,)`, on the host; `columns` of what is
    achieved.
    """

    reward: Callable[[np.ndarray, np.ndarray], np.ndarray] = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    along: float = eqx.field(static=True, default=1.0)

    def __call__(self, plan: Candidate, goal: Goal) -> Float[Array, ""]:
        """The negative reward over the plan."""
        rows = np.array(self.columns)
        achieved = plan.imagined.features[:, rows]
        desired = jnp.broadcast_to(goal.features[rows], achieved.shape)
        shape = jax.ShapeDtypeStruct(achieved.shape[:1], jnp.float32)
        values = jax.pure_callback(self.reward, shape, achieved, desired, vmap_method="expand_dims")
        return _weighed(-values, self.along)
