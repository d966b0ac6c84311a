"""An environment of the robot of `tiny`: joints go to their targets, and drag a body along."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from gyrax._errors import InputError
from gyrax.envs.policies import RandomPolicy

ID = "tiny/World-v0"
JOINTS = ("joint_0", "joint_1", "joint_2", "tip.x", "tip.y", "tip.z")
RADIUS, REACH = 0.1, 1.5
WIDTH, HEIGHT = 64, 48


class TinyWorld(gymnasium.Env):
    """The body (x, y) goes half as far as the first two joints. A picture shows x as a bright column."""

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"], "render_fps": 20, "position_target": True, "goal_radius": RADIUS,
    }  # fmt: skip
    columns = (
        *(f"observation.state.{name}" for name in JOINTS),
        *(f"observation.environment_state.{name}" for name in "xy"),
    )
    goal_columns = (6, 7)

    def __init__(self, render_mode=None, blind=False, actions=6):
        self.render_mode, self.blind, self.state, self.goal = render_mode, blind, np.zeros(8), None
        self.action_columns = tuple(f"action.{name}" for name in JOINTS[:actions])
        self.observation_space = Box(-np.inf, np.inf, (8,), np.float32)
        self.action_space = Box(-1.0, 1.0, (actions,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal, start = None, self.np_random.uniform(-0.5, 0.5, 8)
        self.restore((options or {}).get("state", start))
        return self.observation(), {}

    def step(self, action):
        joints, body = self.state[:6], self.state[6:8]
        self.state = np.concatenate([action, body + 0.5 * (action - joints)[:2]])
        success = self.goal is not None and np.linalg.norm(self.state[6:8] - self.goal) < RADIUS
        return self.observation(), 0.0, False, False, {"success": bool(success)}

    def observation(self):
        return self.state.astype(np.float32)

    def set_goal(self, features):
        self.goal = np.asarray(features, np.float64)[6:8]

    def save(self):
        return self.state.copy()

    def restore(self, state):
        self.state = np.array(state)
        return self.observation()

    def rollout(self, state, actions):
        joints = np.concatenate([np.broadcast_to(state[:6], (len(actions), 1, 6)), actions], axis=1)
        body = state[6:8] + 0.5 * np.cumsum(np.diff(joints, axis=1), axis=1)[..., :2]
        return np.concatenate([actions, body], axis=-1).astype(np.float32)

    def rest_action(self):
        return self.state[:6].copy()

    def recorded(self, action):
        return np.clip(action, -1, 1).astype(np.float32)

    def scripted(self):
        return RandomPolicy()

    def render(self):
        if self.blind:
            raise InputError("no OpenGL renders offscreen here")
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[:, round((self.state[6] / REACH + 1) / 2 * (WIDTH - 1))] = 255
        return picture


def seen(picture):
    """The x that a picture shows."""
    bright = picture.sum((0, 2), dtype=float)
    middle = (np.flatnonzero(bright > 0.5 * bright.max()).mean() + 0.5) / picture.shape[1]
    return REACH * (2 * middle - 1)


gymnasium.register(ID, entry_point=TinyWorld, max_episode_steps=60)
