"""An agent for one robot: from a checkpoint and a goal, an action for every observation."""

from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.planning.robot import Robot, short
from gyrax.planning.settings import PlanSettings
from gyrax.planning.setup import Task, imagination_of, make_controller
from gyrax.training.checkpoint import Checkpoint, open_checkpoint


class Agent:
    """Plans with a checkpoint's world model towards a goal, in the units of the data that it was trained on.

    ```python
    agent = Agent("outputs/vla/joint", goal_columns="cube_pose.[xy]")
    agent.reset(goal)
    action = agent.act(observation)
    ```

    A goal and an observation are whole frames of features, shape `(F,)`, an action is `(A,)`.
    """

    def __init__(
        self,
        checkpoint: str | PathLike[str],
        *,
        goal_columns: str = "*",
        low: Float[np.ndarray, " A"] | None = None,
        high: Float[np.ndarray, " A"] | None = None,
        rate: Float[np.ndarray, " A"] | None = None,
        near: float | None = None,
        settings: PlanSettings | None = None,
        seed: int = 0,
    ):
        """Read the checkpoint.

        **Arguments:**

        - `checkpoint`: a run folder, or a checkpoint in it.
        - `goal_columns`: comma-separated patterns of the features that are to be as in the goal.
        - `low`, `high`: bounds of the actions, shape `(A,)`; those of the recorded ones if left out.
        - `rate`: the largest change of an action a frame, `(A,)`.
        - `near`: the distance from the goal, the root mean square over its columns in standard deviations,
            below which the present action is held.

        **Raises:** `InputError` where there is no such checkpoint or no feature of such a name.
        """
        self.checkpoint = open_checkpoint(Path(checkpoint))
        recorded = np.asarray(self.checkpoint.support.snippets)
        self.robot = robot_of(
            self.checkpoint,
            recorded.min((0, 1)) if low is None else np.asarray(low, np.float32),
            recorded.max((0, 1)) if high is None else np.asarray(high, np.float32),
            rate,
        )
        settings = settings or PlanSettings.suited(self.robot.relative)
        columns = self.robot.matching(goal_columns, "goal_columns")
        task = Task(columns, scales_of(self.checkpoint.normaliser.feature_std, columns), near)
        imagination = imagination_of(self.checkpoint)
        self.controller = make_controller(
            imagination, self.checkpoint, self.robot, task, settings, seed
        )
        self.begun = False

    def reset(self, goal: Float[np.ndarray, " F"]) -> None:
        """Begin an episode with this goal: a whole frame of features, shape `(F,)`, of which the goal's
        columns count."""
        goal = np.asarray(goal, np.float32)
        if goal.shape != (len(self.robot.columns),) or not np.isfinite(goal).all():
            raise InputError(
                f"the goal has shape {goal.shape}, or is not finite; give {len(self.robot.columns)} "
                "finite features, one a column of the data."
            )
        self.goal, self.begun = goal, False

    def act(self, observation: Float[np.ndarray, " F"]) -> Float[np.ndarray, " A"]:
        """The action, shape `(A,)`, to be applied until the next observation; `observation` is `(F,)`."""
        observation = np.asarray(observation, np.float32)
        if observation.shape != self.goal.shape or not np.isfinite(observation).all():
            raise InputError(
                f"the observation has shape {observation.shape}, or is not finite; give "
                f"{len(self.goal)} finite features, one a column of the data."
            )
        if not self.begun:
            before = self.robot.holding(observation)
            self.controller.reset(self.goal[None], before[None, None])
            self.begun = True
        self.controller.observe(observation[None])
        return self.controller.act()[0]


def robot_of(
    checkpoint: Checkpoint,
    low: Float[np.ndarray, " A"],
    high: Float[np.ndarray, " A"],
    rate: Float[np.ndarray, " A"] | None = None,
) -> Robot:
    """The robot of the data that a checkpoint was trained on: an action is the target of a position where
    every action has a feature of its name, as in LeRobot's folders."""
    meta = checkpoint.meta
    names = {short(name) for name in meta.columns}
    relative = {short(name) for name in meta.action_columns} <= names
    return Robot(tuple(meta.columns), tuple(meta.action_columns), low, high, relative, rate)


def scales_of(std: Float[np.ndarray, " F"], columns: tuple[int, ...]) -> Float[np.ndarray, " G"]:
    """The standard deviations of these columns; a column that is constant in the data counts in its own
    unit."""
    chosen = np.asarray(std)[list(columns)]
    return np.where(chosen > 0, chosen, 1.0)
