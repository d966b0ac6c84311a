"""The arm beside its cubes as a Gymnasium environment, `gyrax/ArmPush-v0`."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Float, Float32

from gyrax.data.lerobot.proprioception import ACTION, ENVIRONMENT, STATE
from gyrax.envs.arm.camera import ArmCamera
from gyrax.envs.arm.columns import FIRST_CUBE, features, rounded
from gyrax.envs.arm.kinematics import LOWER, UPPER
from gyrax.envs.arm.motions import FPS
from gyrax.envs.arm.rollout import ArmRollouts
from gyrax.envs.arm.scripted import ArmScript
from gyrax.envs.arm.world import ArmWorld

GOAL_RADIUS = 0.02
"""Metres on the table within which a cube is at its goal."""


class ArmPush(gymnasium.Env[np.ndarray, np.ndarray]):
    """Push the cubes to where a goal has them.

    An action holds the targets of the six joints in radians, for 1/30 s. An observation has the numbers
    of the data that `simulate-data` writes: state, then environment state. With a goal the reward is
    minus the mean distance of the cubes from it in metres on the table, and `info["success"]` says
    whether each is within 2 cm; without one the reward is 0. Episodes end by the time limit alone.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": FPS,
        "position_target": True,
        "action_rate": [0.1] * 6,
        "robot": "simulated_arm",
        "goal_radius": GOAL_RADIUS,
        "push": "gripper_pose.[xyz]:cube*_pose.[xyz]:0.045",
    }

    def __init__(self, cubes: int = 1, render_mode: str | None = None):
        """Raises `InputError` without MuJoCo, or for a number of cubes that does not fit."""
        self.world, self.render_mode = ArmWorld(cubes), render_mode
        columns = features(cubes)
        self.columns = tuple(
            f"{k}.{n}" for k in (STATE, ENVIRONMENT) for n in columns[k].names or ()
        )
        self.action_columns = tuple(f"{ACTION}.{name}" for name in columns[ACTION].names or ())
        self.goal_columns = tuple(
            FIRST_CUBE + 7 * n + axis for n in range(cubes) for axis in (0, 1)
        )
        self.observation_space = Box(-np.inf, np.inf, (len(self.columns),), np.float32)
        self.action_space = Box(LOWER, UPPER, dtype=np.float64)
        self._goal: np.ndarray | None = None
        self._camera: ArmCamera | None = None
        self._rollouts: ArmRollouts | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, " F"], dict[str, Any]]:
        """Place arm and cubes anew, or as `options["state"]` has them; `options["goal"]` sets a goal."""
        super().reset(seed=seed)
        given = options or {}
        if given.get("state") is None:
            self.world.place(self.np_random)
        else:
            self.world.restore(given["state"])
        self._goal = None
        if given.get("goal") is not None:
            self.set_goal(given["goal"])
        observation = self.observation()
        return observation, self._info(observation)

    def step(
        self, action: Float[np.ndarray, "6"]
    ) -> tuple[Float32[np.ndarray, " F"], float, bool, bool, dict[str, Any]]:
        """Pull the joints to `action` for one frame."""
        self.world.advance(np.asarray(action, np.float64))
        observation = self.observation()
        reward = 0.0 if self._goal is None else -float(self._distances(observation).mean())
        return observation, reward, False, False, self._info(observation)

    def observation(self) -> Float32[np.ndarray, " F"]:
        """What is seen now."""
        return rounded(self.world.observe())

    def set_goal(self, features: Float[np.ndarray, " F"]) -> None:
        """Want the cubes where this observation has them. Raises `ValueError` for another shape."""
        if np.shape(features) != (len(self.columns),):
            raise ValueError(
                f"goal has shape {np.shape(features)}, expected ({len(self.columns)},); give an "
                "observation of this environment."
            )
        self._goal = np.asarray(features, np.float64)[list(self.goal_columns)]

    def save(self) -> Float[np.ndarray, " S"]:
        """The full state, without the goal: going on from it is the same, to the bit, as not stopping."""
        return self.world.save()

    def restore(self, state: Float[np.ndarray, " S"]) -> Float32[np.ndarray, " F"]:
        """Go back to what `save` returned, and see; the goal stays."""
        self.world.restore(state)
        return self.observation()

    def rollout(
        self, state: Float[np.ndarray, " S"], actions: Float[np.ndarray, "N H 6"]
    ) -> Float32[np.ndarray, "N H F"]:
        """What is seen after each action, for N sequences from `state`; the environment stays as it is."""
        if self._rollouts is None:
            self._rollouts = ArmRollouts(self.world)
        return self._rollouts(state, actions)

    def rest_action(self) -> Float[np.ndarray, "6"]:
        """The targets that are held now."""
        return self.world.data.ctrl.copy()

    def recorded(self, action: Float[np.ndarray, "6"]) -> Float32[np.ndarray, "6"]:
        """An action as a data set holds it."""
        return rounded(np.clip(action, LOWER, UPPER))

    def scripted(self) -> ArmScript:
        """The policy that waves the arm and pushes the cubes."""
        return ArmScript(self.world)

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A picture (480, 640, 3) uint8. Raises `InputError` where no OpenGL renders offscreen."""
        if self.render_mode is None:
            return None
        if self._camera is None:
            self._camera = ArmCamera(self.world)
        return self._camera.picture()

    def close(self) -> None:
        """Give the renderer back."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _distances(self, observation: np.ndarray) -> np.ndarray:
        """Metres of each cube from its goal on the table."""
        assert self._goal is not None
        gaps = observation[list(self.goal_columns)] - self._goal
        return np.linalg.norm(gaps.reshape(-1, 2), axis=1)

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        if self._goal is None:
            return {}
        return {"success": bool((self._distances(observation) < GOAL_RADIUS).all())}
