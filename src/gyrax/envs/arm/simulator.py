"""Simulates the arm beside its cubes with MuJoCo and writes the episodes as a LeRobot folder."""

import copy
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from gyrax._errors import InputError
from gyrax.data.lerobot.proprioception import ACTION, ENVIRONMENT, STATE
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder
from gyrax.envs.arm.kinematics import JOINTS, LOWER, UPPER
from gyrax.envs.arm.motions import FPS, PUSH, SWEEP, WAVE, next_motion, random_pose

ROBOT = "simulated_arm"
POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")
MAX_CUBES = 4
"""As many as find room within reach."""

_STEPS_A_FRAME = 16
_SETTLING_FRAMES = 15
_MIN_CUBE_DISTANCE = 0.065
"""Metres between the centres of two cubes at first: more than the diagonal of one."""
_ROUNDING = 2.0**20
"""Values are multiples of 1 / this, just below 1e-6: the low bits become zeros, which compress."""


def features(cubes: int = 1) -> dict[str, Feature]:
    """The columns of a data set with that many cubes."""
    positions = tuple(f"{joint}.pos" for joint in JOINTS)
    environment = [f"{joint}.vel" for joint in JOINTS]
    for body in ("gripper", "cube", *(f"cube{n}" for n in range(2, cubes + 1))):
        environment += [f"{body}_pose.{part}" for part in POSE]
    return {
        STATE: Feature("float32", (6,), positions),
        ENVIRONMENT: Feature("float32", (len(environment),), tuple(environment)),
        ACTION: Feature("float32", (6,), positions),
    }


def simulate_episodes(
    episodes: int, seed: int, cubes: int = 1
) -> Iterator[tuple[dict[str, np.ndarray], str]]:
    """Yield the first `episodes` episodes of `seed`: their columns and their task text.

    At frame t `observation.state` (frames, 6), joint positions in radians, and
    `observation.environment_state` (frames, 13 + 7 × cubes), joint velocities and the poses of gripper
    and cubes as x y z and quaternion w x y z, are read at t; `action` (frames, 6) holds the joint
    targets applied from t to t + 1. Raises `InputError` without MuJoCo.
    """
    if episodes < 1 or seed < 0 or not 1 <= cubes <= MAX_CUBES:
        raise InputError(
            f"episodes is {episodes}, seed is {seed} and cubes is {cubes}, expected episodes of at "
            f"least 1, a seed of at least 0 and 1 to {MAX_CUBES} cubes; give such numbers"
        )
    mujoco = _import_mujoco()
    model = mujoco.MjModel.from_xml_string(_scene(cubes))
    for number in range(episodes):
        # One generator an episode: a shorter run gives the first episodes of a longer one.
        yield _Episode(mujoco, model, np.random.default_rng([seed, number]), cubes).episode()


def _scene(cubes: int) -> str:
    """`arm.xml` with its cube as often as asked."""
    tree = ElementTree.parse(Path(__file__).parent / "arm.xml")
    world = tree.getroot().find("worldbody")
    assert world is not None
    cube = next(body for body in world.findall("body") if body.get("name") == "cube")
    for number in range(2, cubes + 1):
        another = copy.deepcopy(cube)
        for named in another.iter():
            if named.get("name") == "cube":
                named.set("name", f"cube{number}")
        world.append(another)
    return ElementTree.tostring(tree.getroot(), encoding="unicode")


def write_simulated(
    path: str | PathLike[str],
    *,
    episodes: int = 100,
    seed: int = 0,
    cubes: int = 1,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Simulate and write a v3.0 folder; `progress` is called with the number of episodes done.

    Raises `InputError` without MuJoCo or where `path` is taken.
    """

    def reported() -> Iterator[tuple[dict[str, np.ndarray], str]]:
        for done, episode in enumerate(simulate_episodes(episodes, seed, cubes), start=1):
            yield episode
            if progress is not None:
                progress(done)

    write_folder(path, robot=ROBOT, fps=FPS, features=features(cubes), episodes=reported())


def _import_mujoco() -> Any:
    try:
        import mujoco
    except ImportError:
        raise InputError(
            "simulating needs the package mujoco (3.3 or later), which is not installed; "
            "install it with: pip install 'gyrax[sim]'"
        ) from None
    return mujoco


class _Episode:
    """One episode: the simulated world, and the motions planned on what it looks like."""

    def __init__(self, mujoco: Any, model: Any, rng: np.random.Generator, cubes: int):
        self.mujoco, self.model, self.rng, self.cubes = mujoco, model, rng, cubes
        self.data = mujoco.MjData(model)
        self.tip = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "tip")

    def episode(self) -> tuple[dict[str, np.ndarray], str]:
        """The columns and the task of the whole episode."""
        task = str(self.rng.choice([WAVE, PUSH, SWEEP], p=[0.2, 0.4, 0.4]))
        frames = int(self.rng.integers(250, 351))
        target = self._place()
        state, environment = np.empty((frames, 6)), np.empty((frames, 13 + 7 * self.cubes))
        action = []
        planned: list[np.ndarray] = []
        for frame in range(frames):
            if not planned:
                cube = self._pose(int(self.rng.integers(self.cubes)) if self.cubes > 1 else 0)[:3]
                planned = list(next_motion(self.rng, task, target, cube))[::-1]
            self.mujoco.mj_kinematics(self.model, self.data)
            state[frame], environment[frame] = self.data.qpos[:6], self._environment()
            target = np.clip(planned.pop(), LOWER, UPPER)
            action.append(target)
            self._advance(target)
        for first in range(9, environment.shape[1], 7):
            environment[:, first : first + 4] = _continuous(environment[:, first : first + 4])
        columns = {STATE: state, ENVIRONMENT: environment, ACTION: np.array(action)}
        return {name: _rounded(values) for name, values in columns.items()}, task

    def _place(self) -> np.ndarray:
        """Put arm and cubes somewhere, let them come to rest, and return the joint targets."""
        target = random_pose(self.rng)
        self.data.qpos[:6] = target
        for number in range(self.cubes):
            self._place_cube(number)
        for _ in range(_SETTLING_FRAMES):
            self._advance(target)
        return target

    def _place_cube(self, number: int) -> None:
        """Put a cube on the table, clear of those before it."""
        pose = self._pose(number)
        clear = False
        while not clear:
            radius, angle = self.rng.uniform(0.17, 0.26), self.rng.uniform(-0.7, 0.7)
            pose[:3] = radius * np.cos(angle), radius * np.sin(angle), 0.02
            gaps = [np.linalg.norm(pose[:2] - self._pose(n)[:2]) for n in range(number)]
            clear = all(gap > _MIN_CUBE_DISTANCE for gap in gaps)
        turn = self.rng.uniform(-np.pi, np.pi) / 2
        pose[3:] = np.cos(turn), 0.0, 0.0, np.sin(turn)

    def _pose(self, number: int) -> np.ndarray:
        """A view of a cube's position and quaternion."""
        return self.data.qpos[6 + 7 * number : 13 + 7 * number]

    def _advance(self, target: np.ndarray) -> None:
        self.data.ctrl[:] = target
        self.mujoco.mj_step(self.model, self.data, _STEPS_A_FRAME)

    def _environment(self) -> np.ndarray:
        quaternion = np.empty(4)
        self.mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[self.tip])
        position = self.data.site_xpos[self.tip]
        return np.concatenate([self.data.qvel[:6], position, quaternion, self.data.qpos[6:]])


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations (frames, 4), each with the sign that is nearer to the frame before."""
    dots = np.sum(quaternions[1:] * quaternions[:-1], axis=1)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0))
    first = -1.0 if quaternions[0, 0] < 0 else 1.0
    return quaternions * (first * np.concatenate([[1.0], signs]))[:, None]


def _rounded(values: np.ndarray) -> np.ndarray:
    return (np.round(values * _ROUNDING) / _ROUNDING).astype(np.float32)
