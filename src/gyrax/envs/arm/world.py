"""The arm beside its cubes in MuJoCo: placing, advancing and reading them, and their full state."""

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.envs.arm.kinematics import LOWER, UPPER
from gyrax.envs.arm.motions import random_pose

MAX_CUBES = 4
"""As many as find room within reach."""
STEPS_A_FRAME = 16

_SETTLING_FRAMES = 15
_MIN_CUBE_DISTANCE = 0.065
"""Metres between the centres of two cubes at first: more than the diagonal of one."""


def import_mujoco() -> Any:
    """The module `mujoco`. Raises `InputError` where it is not installed."""
    try:
        import mujoco
    except ImportError:
        raise InputError(
            "simulating needs the package mujoco (3.3 or later), which is not installed; "
            "install it with: pip install 'gyrax[sim]'"
        ) from None
    return mujoco


class ArmWorld:
    """The simulated arm and its cubes.

    **Fields:** `model` and `data` are MuJoCo's; `cubes` is how many there are; `kind` is what of MuJoCo's
    state belongs to the full one.
    """

    def __init__(self, cubes: int = 1):
        """Raises `InputError` without MuJoCo, or for a number of cubes that does not fit."""
        if not 1 <= cubes <= MAX_CUBES:
            raise InputError(f"cubes is {cubes}, expected 1 to {MAX_CUBES}; give such a number")
        self.mujoco, self.cubes = import_mujoco(), cubes
        self.model = self.mujoco.MjModel.from_xml_string(_scene(cubes))
        self.data = self.mujoco.MjData(self.model)
        kinds = self.mujoco.mjtState
        self.kind = int(kinds.mjSTATE_FULLPHYSICS | kinds.mjSTATE_WARMSTART | kinds.mjSTATE_CTRL)
        self._tip = self.mujoco.mj_name2id(self.model, self.mujoco.mjtObj.mjOBJ_SITE, "tip")
        self._physics = self.mujoco.mj_stateSize(self.model, self.kind)
        # The quaternions (1 + cubes, 4) of the frame before, whose signs the next ones continue.
        self._before = np.zeros((1 + cubes, 4))

    def place(self, rng: np.random.Generator) -> None:
        """Put arm and cubes somewhere, and let them come to rest; the arm holds where it is."""
        self.mujoco.mj_resetData(self.model, self.data)
        target = random_pose(rng)
        self.data.qpos[:6] = target
        for number in range(self.cubes):
            self._place_cube(rng, number)
        for _ in range(_SETTLING_FRAMES):
            self.advance(target)
        self._before[:] = (1.0, 0.0, 0.0, 0.0)

    def cube(self, number: int) -> Float[np.ndarray, "7"]:
        """A view of a cube's position and quaternion."""
        return self.data.qpos[6 + 7 * number : 13 + 7 * number]

    def advance(self, target: Float[np.ndarray, "6"]) -> None:
        """Go on by one frame, the joints pulled to `target` (radians, cut to their ranges)."""
        self.data.ctrl[:] = np.clip(target, LOWER, UPPER)
        self.mujoco.mj_step(self.model, self.data, STEPS_A_FRAME)

    def observe(self) -> Float[np.ndarray, " F"]:
        """Joint positions (6,) and velocities (6,), then the poses of gripper and cubes.

        Quaternions have the sign that is nearer to the observation before.
        """
        values = self.read(self.data)
        quaternions = _quaternions(values)
        quaternions[np.sum(quaternions * self._before, axis=-1) < 0] *= -1.0
        self._before[:] = quaternions
        return values

    def read(self, data: Any) -> Float[np.ndarray, " F"]:
        """The numbers of an observation out of MuJoCo's `data`, quaternions with any sign."""
        self.mujoco.mj_kinematics(self.model, data)
        quaternion = np.empty(4)
        self.mujoco.mju_mat2Quat(quaternion, data.site_xmat[self._tip])
        position = data.site_xpos[self._tip]
        return np.concatenate([data.qpos[:6], data.qvel[:6], position, quaternion, data.qpos[6:]])

    def save(self) -> Float[np.ndarray, " S"]:
        """Everything that what comes next depends on."""
        physics = np.empty(self._physics)
        self.mujoco.mj_getState(self.model, self.data, physics, self.kind)
        return np.concatenate([physics, self._before.ravel()])

    def restore(self, state: Float[np.ndarray, " S"]) -> None:
        """Go on from what `save` returned. Raises `ValueError` for a state of another world."""
        physics, before = self.split(state)
        self.mujoco.mj_resetData(self.model, self.data)
        self.mujoco.mj_setState(self.model, self.data, physics, self.kind)
        self._before[:] = before

    def split(self, state: Float[np.ndarray, " S"]) -> tuple[np.ndarray, np.ndarray]:
        """What MuJoCo keeps, and the quaternions (1 + cubes, 4) of the frame before."""
        size = self._physics + self._before.size
        if np.shape(state) != (size,):
            raise ValueError(
                f"state has shape {np.shape(state)}, expected ({size},) with {self.cubes} cubes; "
                "give what save() of the same environment returned."
            )
        return state[: self._physics], state[self._physics :].reshape(-1, 4)

    def _place_cube(self, rng: np.random.Generator, number: int) -> None:
        """Put a cube on the table, clear of those before it."""
        pose = self.cube(number)
        clear = False
        while not clear:
            radius, angle = rng.uniform(0.17, 0.26), rng.uniform(-0.7, 0.7)
            pose[:3] = radius * np.cos(angle), radius * np.sin(angle), 0.02
            gaps = [np.linalg.norm(pose[:2] - self.cube(n)[:2]) for n in range(number)]
            clear = all(gap > _MIN_CUBE_DISTANCE for gap in gaps)
        turn = rng.uniform(-np.pi, np.pi) / 2
        pose[3:] = np.cos(turn), 0.0, 0.0, np.sin(turn)


def _quaternions(values: Float[np.ndarray, "*shape F"]) -> Float[np.ndarray, "*shape bodies 4"]:
    """A view of the quaternions in observations: the gripper's, then each cube's."""
    poses = values[..., 12:]
    return poses.reshape(*poses.shape[:-1], -1, 7)[..., 3:]


def continued(
    values: Float[np.ndarray, "*shape H F"], before: Float[np.ndarray, "bodies 4"]
) -> Float[np.ndarray, "*shape H F"]:
    """Observations in a row whose quaternions have the signs nearest to those before; changed in place."""
    quaternions = _quaternions(values)
    last = np.broadcast_to(before, quaternions[..., 0, :, :].shape)
    for frame in range(values.shape[-2]):
        now = quaternions[..., frame, :, :]
        now[np.sum(now * last, axis=-1) < 0] *= -1.0
        last = now
    return values


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
