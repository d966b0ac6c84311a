"""A policy that plans: it seeks one goal after the other, so that what planning does is recorded."""

from typing import Any

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge
from gyrax.planning.assignment import assign, completed
from gyrax.planning.settings import PlanSettings
from gyrax.planning.setup import imagination_of, make_controller
from gyrax.training.checkpoint import Checkpoint

PATIENCE = 120
"""Frames after which a goal is given up for the next."""


class GoalSeeker:
    """Plans towards the goal that the environment has, or towards recorded frames, drawn at random.

    A new one is drawn once the last is reached, or given up.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        bridge: Bridge,
        frames: Float[np.ndarray, "N F"],
        settings: PlanSettings | None = None,
    ):
        """`frames` of the checkpoint's kind of data. Raises `InputError` where they are of another width."""
        settings = settings or PlanSettings.suited(bridge.position_target)
        if frames.shape[1] != len(checkpoint.meta.columns):
            raise InputError(
                f"--data: has {frames.shape[1]} features, {checkpoint.path} was trained on "
                f"{len(checkpoint.meta.columns)}; give data of the same robot."
            )
        self.frames, self.assignment = frames, assign(bridge, checkpoint)
        robot, task = self.assignment.robot, self.assignment.task
        imagination = imagination_of(checkpoint)
        self.controller = make_controller(imagination, checkpoint, robot, task, settings)

    def reset(
        self, bridge: Any, features: Float[np.ndarray, " F"], rng: np.random.Generator
    ) -> None:
        """An episode begins with `features`."""
        self.bridge, self.rng, self.seen = bridge, rng, features
        self.last = np.asarray(bridge.rest_action(), np.float32)
        self._seek(features)

    def act(self, features: Float[np.ndarray, " F"]) -> Float[np.ndarray, " A"]:
        """The action of the frame that begins with `features`."""
        judge = self.assignment.judge
        reached = judge.distance(features, self.goal) < judge.tolerance
        if self.bridge.goal is None and (reached or self.left == 0):
            self._seek(self.seen)
        self.controller.observe(features[None])
        self.last, self.seen = self.controller.act()[0], features
        self.left -= 1
        return self.last

    def _seek(self, before: Float[np.ndarray, " F"]) -> None:
        """Take the next goal; `before`, what was seen last."""
        goal = self.frames[int(self.rng.integers(len(self.frames)))]
        if self.bridge.goal is not None:
            goal = completed(self.bridge.goal, self.bridge.goal_columns, self.frames)
        self.goal, self.left = goal, PATIENCE
        self.controller.reset(goal[None], self.last[None, None])
        self.controller.observe(before[None])
