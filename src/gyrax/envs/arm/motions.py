"""Smooth joint targets for the arm: waves through the air, pauses, and pushes of the cube."""

import numpy as np

from gyrax.envs.arm.kinematics import reach, tip_position

FPS = 30
WAVE, PUSH, SWEEP = "wave the arm", "push the cube", "sweep the cube sideways"

_CLEAR_HEIGHT = 0.07
"""Height in metres above which the tip passes over the cube."""
_PUSH_HEIGHT = 0.02
"""Height in metres of the tip while it pushes: half the cube's."""
_PUSH_START = 0.055
"""Distance in metres between the cube's centre and the tip before a push."""
_MAX_JOINT_SPEED = 3.0
"""Joint speed in radians per second that no target exceeds between poses."""


def random_pose(rng: np.random.Generator) -> np.ndarray:
    """Joint angles (6,) with the tip somewhere in the air before the arm."""
    while True:
        radius, pan = rng.uniform(0.13, 0.32), rng.uniform(-1.2, 1.2)
        tip = np.array([radius * np.cos(pan), radius * np.sin(pan), rng.uniform(0.1, 0.3)])
        roll, gripper = rng.uniform(-1.5, 1.5), rng.uniform(0.0, 1.2)
        joints = reach(tip, rng.uniform(-0.3, 1.3), roll, gripper)
        if joints is not None:
            return joints


def next_motion(
    rng: np.random.Generator, task: str, start: np.ndarray, cube: np.ndarray
) -> np.ndarray:
    """Joint targets (frames, 6) of one motion of `task`, going on from the target `start`.

    `cube`: the cube's position (3,), on which a push is planned.
    """
    if task != WAVE and rng.random() < 0.85:
        path = _push(rng, task, start, cube)
        if path is not None:
            return path
    return _wave(rng, start)


def _wave(rng: np.random.Generator, start: np.ndarray) -> np.ndarray:
    """A move to a random pose, passing over the cube, then perhaps a pause."""
    while True:
        goal = random_pose(rng)
        path = _move(start, goal, rng.uniform(0.6, 1.6))
        # The start may be low, after a push: only the later part has to be clear.
        if tip_position(path[len(path) // 2 :])[:, 2].min() > _CLEAR_HEIGHT:
            return np.concatenate([path, *_pause(rng, goal, chance=0.4)])


def _push(
    rng: np.random.Generator, task: str, start: np.ndarray, cube: np.ndarray
) -> np.ndarray | None:
    """Over the cube, down behind it, along a straight line, and up; `None` if out of reach."""
    for attempt in range(40):
        direction = _direction(rng, task if attempt < 25 else None, cube)
        length = rng.uniform(0.06, 0.12)
        low = np.array([cube[0], cube[1], _PUSH_HEIGHT])
        first, last = low - _PUSH_START * direction, low + (length - _PUSH_START) * direction
        if not _on_the_table(low + (length - 0.03) * direction):
            continue
        roll = np.clip(rng.normal(0.0, 0.4), -1.2, 1.2)
        stroke = _stroke(first, last, rng.uniform(0.10, 0.22), roll)
        above, after = _pointing_down(first, 0.09, roll), _pointing_down(last, 0.11, roll)
        if stroke is None or above is None or after is None:
            continue
        return np.concatenate(
            [
                _move(start, above, rng.uniform(0.7, 1.2)),
                _move(above, stroke[0], rng.uniform(0.35, 0.6)),
                *_pause(rng, stroke[0], chance=0.2),
                stroke,
                *_pause(rng, stroke[-1], chance=0.3),
                _move(stroke[-1], after, rng.uniform(0.35, 0.7)),
                *_pause(rng, after, chance=0.3),
            ]
        )
    return None


def _direction(rng: np.random.Generator, task: str | None, cube: np.ndarray) -> np.ndarray:
    """A level unit vector (3,): away from the base to push, across to sweep, any without a task."""
    away = np.arctan2(cube[1], cube[0])
    if task == PUSH:
        angle = away + rng.uniform(-0.7, 0.7)
    elif task == SWEEP:
        angle = away + rng.choice([-1.0, 1.0]) * (np.pi / 2 + rng.uniform(-0.4, 0.4))
    else:
        angle = rng.uniform(-np.pi, np.pi)
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _on_the_table(point: np.ndarray) -> bool:
    """Whether a cube there could be pushed again."""
    near = 0.15 < np.hypot(point[0], point[1]) < 0.28
    return bool(near and abs(np.arctan2(point[1], point[0])) < 0.9)


def _pointing_down(tip: np.ndarray, height: float, roll: float) -> np.ndarray | None:
    """Joint angles with the closed gripper pointing down at `height` over `tip`."""
    pitch = 1.4 - 1.5 * (np.hypot(tip[0], tip[1]) - 0.13)  # further out the arm cannot be upright
    return reach(np.array([tip[0], tip[1], height]), pitch, roll, 0.0)


def _stroke(first: np.ndarray, last: np.ndarray, speed: float, roll: float) -> np.ndarray | None:
    """Targets for a straight line of the tip; `None` where the arm cannot follow it."""
    times = _minimum_jerk(float(np.linalg.norm(last - first)) / speed)
    path = [
        _pointing_down(first + time * (last - first), _PUSH_HEIGHT, roll) for time in (0.0, *times)
    ]
    joints = [pose for pose in path if pose is not None]
    return np.array(joints) if len(joints) == len(path) else None


def _move(start: np.ndarray, goal: np.ndarray, seconds: float) -> np.ndarray:
    """Joint targets from `start`, exclusive, to `goal`, inclusive, without a jolt or a rush."""
    # A minimum-jerk move peaks at 15/8 of its mean speed.
    seconds = max(seconds, 15 / 8 * float(np.abs(goal - start).max()) / _MAX_JOINT_SPEED)
    return start + _minimum_jerk(seconds)[:, None] * (goal - start)


def _minimum_jerk(seconds: float) -> np.ndarray:
    """Minimum-jerk progress at each frame: above 0, up to 1."""
    frames = max(round(seconds * FPS), 2)
    time = np.arange(1, frames + 1) / frames
    return time**3 * (10 - 15 * time + 6 * time**2)


def _pause(rng: np.random.Generator, pose: np.ndarray, *, chance: float) -> list[np.ndarray]:
    """With this chance, the same targets for a while."""
    if rng.random() >= chance:
        return []
    return [np.tile(pose, (int(rng.integers(8, 30)), 1))]
