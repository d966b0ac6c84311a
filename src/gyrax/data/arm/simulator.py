"""Simulates the arm beside the cube with MuJoCo and writes the episodes as a LeRobot folder."""

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from gyrax._errors import InputError
from gyrax.data.arm.kinematics import JOINTS, LOWER, UPPER
from gyrax.data.arm.motions import FPS, PUSH, SWEEP, WAVE, next_motion, random_pose
from gyrax.data.schema import Feature
from gyrax.data.writer import write_folder

ROBOT = "simulated_arm"
POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")

_POSITIONS = tuple(f"{joint}.pos" for joint in JOINTS)
FEATURES = {
    "observation.state": Feature("float32", (6,), _POSITIONS),
    "observation.environment_state": Feature(
        "float32",
        (20,),
        (
            *(f"{joint}.vel" for joint in JOINTS),
            *(f"gripper_pose.{part}" for part in POSE),
            *(f"cube_pose.{part}" for part in POSE),
        ),
    ),
    "action": Feature("float32", (6,), _POSITIONS),
}

_STEPS_A_FRAME = 16
_SETTLING_FRAMES = 15
# Multiples of 2^-20, just below 1e-6: the low bits become zeros, which compress.
_GRID = 2.0**20


def simulate_episodes(episodes: int, seed: int) -> Iterator[tuple[dict[str, np.ndarray], str]]:
    """Yield the first `episodes` episodes of `seed`: their columns and their task text.

    At frame t `observation.state` (frames, 6), joint positions in radians, and
    `observation.environment_state` (frames, 20), joint velocities and the poses of gripper and
    cube as x y z and quaternion w x y z, are read at t; `action` (frames, 6) holds the joint
    targets applied from t to t + 1. Raises `InputError` without MuJoCo.
    """
    if episodes < 1 or seed < 0:
        raise InputError(
            f"episodes is {episodes} and seed is {seed}, expected episodes of at least 1 and a "
            f"seed of at least 0; give such numbers"
        )
    mujoco = _import_mujoco()
    model = mujoco.MjModel.from_xml_path(str(Path(__file__).parent / "arm.xml"))
    for number in range(episodes):
        # One generator an episode: a shorter run gives the first episodes of a longer one.
        yield _Run(mujoco, model, np.random.default_rng([seed, number])).episode()


def write_simulated(
    path: str | PathLike[str],
    *,
    episodes: int = 100,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Simulate and write a v3.0 folder; `progress` is told how many episodes are done.

    Raises `InputError` without MuJoCo or where `path` is taken.
    """

    def reported() -> Iterator[tuple[dict[str, np.ndarray], str]]:
        for done, episode in enumerate(simulate_episodes(episodes, seed), start=1):
            yield episode
            if progress is not None:
                progress(done)

    write_folder(path, robot=ROBOT, fps=FPS, features=FEATURES, episodes=reported())


def _import_mujoco() -> Any:
    try:
        import mujoco
    except ImportError:
        raise InputError(
            "simulating needs the package mujoco (3.3 or later), which is not installed; "
            "install it with: pip install 'gyrax[sim]'"
        ) from None
    return mujoco


class _Run:
    """One episode: the simulated world, and the motions planned on what it looks like."""

    def __init__(self, mujoco: Any, model: Any, rng: np.random.Generator):
        self.mujoco, self.model, self.rng = mujoco, model, rng
        self.data = mujoco.MjData(model)
        self.tip = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "tip")

    def episode(self) -> tuple[dict[str, np.ndarray], str]:
        """The columns and the task of the whole episode."""
        task = str(self.rng.choice([WAVE, PUSH, SWEEP], p=[0.2, 0.4, 0.4]))
        frames = int(self.rng.integers(250, 351))
        target = self._place()
        state, environment, action = np.empty((frames, 6)), np.empty((frames, 20)), []
        planned: list[np.ndarray] = []
        for frame in range(frames):
            if not planned:
                cube = self.data.qpos[6:9]
                planned = list(next_motion(self.rng, task, target, cube))[::-1]
            self.mujoco.mj_kinematics(self.model, self.data)
            state[frame], environment[frame] = self.data.qpos[:6], self._environment()
            target = np.clip(planned.pop(), LOWER, UPPER)
            action.append(target)
            self._advance(target)
        for first in (9, 16):
            environment[:, first : first + 4] = _continuous(environment[:, first : first + 4])
        columns = {
            "observation.state": state,
            "observation.environment_state": environment,
            "action": np.array(action),
        }
        return {name: _rounded(values) for name, values in columns.items()}, task

    def _place(self) -> np.ndarray:
        """Put arm and cube somewhere, let them come to rest, and return the joint targets."""
        target = random_pose(self.rng)
        radius, angle = self.rng.uniform(0.17, 0.26), self.rng.uniform(-0.7, 0.7)
        turn = self.rng.uniform(-np.pi, np.pi) / 2
        self.data.qpos[:6] = target
        self.data.qpos[6:9] = radius * np.cos(angle), radius * np.sin(angle), 0.02
        self.data.qpos[9:13] = np.cos(turn), 0.0, 0.0, np.sin(turn)
        for _ in range(_SETTLING_FRAMES):
            self._advance(target)
        return target

    def _advance(self, target: np.ndarray) -> None:
        self.data.ctrl[:] = target
        self.mujoco.mj_step(self.model, self.data, _STEPS_A_FRAME)

    def _environment(self) -> np.ndarray:
        quaternion = np.empty(4)
        self.mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[self.tip])
        position = self.data.site_xpos[self.tip]
        return np.concatenate([self.data.qvel[:6], position, quaternion, self.data.qpos[6:13]])


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations (frames, 4), each with the sign that is nearer to the frame before."""
    dots = np.sum(quaternions[1:] * quaternions[:-1], axis=1)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0))
    first = -1.0 if quaternions[0, 0] < 0 else 1.0
    return quaternions * (first * np.concatenate([[1.0], signs]))[:, None]


def _rounded(values: np.ndarray) -> np.ndarray:
    return (np.round(values * _GRID) / _GRID).astype(np.float32)
