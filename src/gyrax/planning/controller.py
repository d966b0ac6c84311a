"""Planning in closed loop: observe, plan anew every few frames, act, for many episodes at once."""

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from gyrax._types import PRNGKey
from gyrax.planning.actions import ActionSpace
from gyrax.planning.imagination import AbstractImagination, Observed
from gyrax.planning.objective import Candidate, FeatureDistance, Goal, Objective
from gyrax.planning.planner import AbstractPlanner

PROPOSED = 0.375
"""Recorded snippets among the first candidates, as a share of them."""
BLOCK = 20
"""Episodes that are planned for at once: more outgrow the caches."""


class Plan(NamedTuple):
    """What was decided: the actions to come, and what they are expected to cost."""

    actions: Float[Array, "*batch H A"]
    cost: Float[Array, "*batch"]


class Planning(eqx.Module):
    """Everything that a plan is made with, as one pure function of what was observed.

    **Fields:** `pool`, knots of recorded snippets; `stop` and `near`: once what `stop` measures is below
    `near`, the goal counts as reached and the present action is held.
    """

    imagination: AbstractImagination
    space: ActionSpace
    objective: Objective
    planner: AbstractPlanner
    pool: Float[Array, "S K A"]

    def __call__(
        self, observed: Observed, goal: Goal, mean: Float[Array, "K A"], key: PRNGKey
    ) -> Plan:
        """The best plan found for one episode."""
        present = observed.actions[-1]

        def cost(knots: Float[Array, "N K A"]) -> Float[Array, " N"]:
            actions = jax.vmap(lambda k: self.space.actions(k, observed.actions))(knots)
            weigh = lambda seen, given: self.objective(Candidate(seen, given, present), goal)
            return jax.vmap(weigh)(self.imagination(observed, actions), actions)

        draw, search = jr.split(key)
        count = min(int(PROPOSED * self.planner.samples), len(self.pool))
        proposals = self.pool[jr.choice(draw, len(self.pool), (count,), replace=False)]
        found = self.planner(cost, mean, proposals, search)
        return Plan(self.space.actions(found.knots, observed.actions), found.cost)


@eqx.filter_jit
def plan_each(
    planning: Planning,
    observed: Observed,
    goal: Goal,
    mean: Float[Array, "E K A"],
    keys: Key[Array, " E"],
) -> Plan:
    """A plan for each of E episodes."""
    one = lambda args: planning(*args)
    return jax.lax.map(one, (observed, goal, mean, keys), batch_size=min(BLOCK, len(mean)))


@dataclass(frozen=True)
class Stop:
    """When a goal counts as reached: where `distance`, of the observed features, is below `near`."""

    distance: FeatureDistance
    near: float


class Controller:
    """What must be kept between plans, for E episodes that run side by side.

    Recent frames and actions, the plan and how much of it is done. The servo force's memory starts afresh
    with every plan: warmed with past frames it foresaw no better.
    """

    def __init__(
        self,
        planning: Planning,
        *,
        context: int,
        past: int,
        every: int,
        stop: Stop | None = None,
        seed: int = 0,
    ):
        """`context` frames and `past` actions are what the forecaster reads; a plan is made `every` so many
        frames."""
        self.planning, self.every, self.stop = planning, every, stop
        self.context, self.past = context, max(past, 2)
        self.key = jr.key(seed)

    def reset(
        self, goals: Float[np.ndarray, "E F"], actions: Float[np.ndarray, "E past A"]
    ) -> None:
        """Begin episodes with these goals; `actions`, those before, as many as are known but at least one."""
        goals = np.asarray(goals, np.float32)
        points = _points(self.planning.imagination, jnp.asarray(goals))
        self.goal = Goal(jnp.asarray(goals), points)
        missing = max(self.past - actions.shape[1], 0)
        actions = np.concatenate([np.repeat(actions[:, :1], missing, 1), actions], axis=1)
        self.actions = np.asarray(actions[:, -self.past :], np.float32)
        space = self.planning.space
        self.frames: np.ndarray | None = None
        self.mean = np.zeros((len(goals), space.knots, space.low.size), np.float32)
        self.plan: np.ndarray | None = None
        self.done, self.plans = 0, 0

    def observe(self, frames: Float[np.ndarray, "E F"]) -> None:
        """Take in the next frame of every episode."""
        frames = np.asarray(frames, np.float32)[:, None]
        if self.frames is None:  # nothing moved before the first frame
            self.frames = np.repeat(frames, self.context, 1)
        else:
            self.frames = np.concatenate([self.frames[:, 1:], frames], axis=1)

    def act(self) -> Float[np.ndarray, "E A"]:
        """The next action of every episode, planned anew if it is time."""
        assert self.frames is not None, "observe a frame first"
        if self.plan is None or self.done == self.every:
            self.replan()
        assert self.plan is not None
        action = np.where(self.reached()[:, None], self.actions[:, -1], self.plan[:, self.done])
        self.done += 1
        self.actions = np.concatenate([self.actions[:, 1:], action[:, None]], axis=1)
        return action

    def reached(self) -> np.ndarray:
        """Which goals are seen to be reached."""
        assert self.frames is not None
        if self.stop is None or not self.planning.space.relative:
            return np.zeros(len(self.frames), bool)
        goals = np.asarray(self.goal.features)
        return np.asarray(self.stop.distance.distance(self.frames[:, -1], goals)) < self.stop.near

    def replan(self) -> None:
        """Make a new plan, from what is left of the one before."""
        count = len(self.actions)
        if self.plan is not None and self.done < self.plan.shape[1]:
            rest, present = self.plan[:, self.done :], self.actions[:, -1]
            self.mean = np.asarray(
                self.planning.space.knots_of(jnp.asarray(rest), jnp.asarray(present))
            )
        observed = Observed(self.frames, self.actions, np.arange(count))
        keys = jr.split(jr.fold_in(self.key, self.plans), count)
        plan = plan_each(self.planning, observed, self.goal, jnp.asarray(self.mean), keys)
        self.plan = np.asarray(plan.actions)
        self.done, self.plans = 0, self.plans + 1


@eqx.filter_jit
def _points(imagination: AbstractImagination, features: Array) -> Array:
    return jax.vmap(imagination.point)(features)
