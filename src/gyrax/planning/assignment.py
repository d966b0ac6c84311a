"""What is to be done in an environment, how success is judged, and what the robot can do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge
from gyrax.planning.agent import scales_of
from gyrax.planning.robot import Robot, short
from gyrax.planning.setup import Push, Task
from gyrax.training.checkpoint import Checkpoint

TOLERANCE = 0.25
"""Standard deviations, root mean square over the goal's columns, within which a goal counts as reached."""
NEAREST = 8
"""Frames that complete a goal."""
STOP = 0.6
"""The share of the tolerance within which an agent holds still."""


@dataclass(frozen=True)
class Judge:
    """How success is judged: by `distance` and `tolerance`, or, where `own`, by the environment itself.

    `distance` is that of features `(*batch, F)` from a goal's; an environment that judges itself has a
    tolerance too where it tells it, or 0.
    """

    distance: Callable[[np.ndarray, np.ndarray], np.ndarray]
    tolerance: float
    own: bool


@dataclass(frozen=True)
class Assignment:
    """A robot, its task, and the judge of it."""

    robot: Robot
    task: Task
    judge: Judge


def completed(
    goal: Float[np.ndarray, " G"], columns: Sequence[int], seen: Float[np.ndarray, "N F"]
) -> Float32[np.ndarray, " F"]:
    """A whole frame that shows a goal that tells some `columns` only: the median of the frames `seen` that
    are nearest to it there.

    A frame with the goal in some columns and the present in the others may be one that cannot be, such as a
    place in two coordinates that differ, and its latent then lies anywhere.
    """
    rows = list(columns)
    away = np.sum((seen[:, rows] - goal) ** 2, axis=1)
    nearest = np.argsort(away, kind="stable")[:NEAREST]
    frame = np.median(seen[nearest], axis=0).astype(np.float32)
    frame[rows] = goal
    return frame


def robot_in(bridge: Bridge, checkpoint: Checkpoint) -> Robot:
    """The robot of an environment, its features named as in the data that the checkpoint was trained on.

    Raises `InputError` where the environment's features or actions are not those of the data.
    """
    columns, actions = checkpoint.meta.columns, checkpoint.meta.action_columns
    for what, have, want in (
        ("features", bridge.columns, columns),
        ("actions", bridge.action_columns, actions),
    ):
        _check_same(bridge.id, what, have, want, str(checkpoint.path))
    bounds = bridge.low, bridge.high
    return Robot(
        tuple(columns), tuple(actions), *bounds, bridge.position_target, bridge.action_rate
    )


def _check_same(where: str, what: str, have: Sequence[str], want: Sequence[str], of: str) -> None:
    """Hold names to each other, the data set's keys before them aside."""
    remedy = "give the environment of the same robot, or train on data of this one (gyrax collect)."
    if len(have) != len(want):
        raise InputError(
            f"{where}: has {len(have)} {what}, {of} was trained on {len(want)}; {remedy}"
        )
    for ours, theirs in zip(have, want, strict=True):
        if short(ours) != short(theirs):
            raise InputError(
                f"{where}: has {short(ours)!r} among its {what} where {of} was trained on "
                f"{short(theirs)!r}; {remedy}"
            )


def assign(
    bridge: Bridge,
    checkpoint: Checkpoint,
    *,
    goal: str | None = None,
    tolerance: float | None = None,
    push: str | None = None,
) -> Assignment:
    """What is to be done: the environment's own goal and test, where it has them and nothing else is asked,
    else the columns named by `goal` (all of them if None) within `tolerance` standard deviations of the data.

    `push` is read by [`Push`][gyrax.planning.setup.Push]; None asks the environment. Raises `InputError`
    where a name or number does not fit.
    """
    if tolerance is not None and not 0 < tolerance < np.inf:
        raise InputError(f"--tolerance is {tolerance}; give a number above 0.")
    robot = robot_in(bridge, checkpoint)
    own = goal is None and tolerance is None and bool(bridge.goal_columns)
    columns = bridge.goal_columns if own else robot.matching(goal or "*", "--goal")
    scale = scales_of(checkpoint.normaliser.feature_std, columns)
    limit: float | None = TOLERANCE if tolerance is None else tolerance
    if own:
        # A goal of the environment's own is a vector of one unit, such as positions on a table.
        scale = np.full(len(columns), np.sqrt(np.mean(scale**2)))
        radius = bridge.goal_radius
        limit = None if radius is None else radius / float(scale[0]) / 2**0.5
    near = None if limit is None else STOP * limit
    pushed = bridge.push if push is None and own else push
    task = Task(
        columns,
        scale,
        near,
        Push.parse(pushed, robot, "--push") if pushed else None,
        bridge.reward_of if bridge.has_goal_reward else None,
    )
    return Assignment(robot, task, Judge(task.far, limit or 0.0, own))
