"""Random motions: their bounds, how they come back, and which of several is made."""

from typing import Any

import numpy as np
import pytest

from gyrax.envs.bridge import Bridge
from gyrax.envs.collect import record
from gyrax.envs.policies import RandomPolicy


class Foreseeing:
    """What a policy asks of a bridge. The goal is about column 1, which one of the motions moves."""

    low, high = np.full(2, -1.0), np.full(2, 1.0)
    fps, action_rate, position_target = 50.0, None, False
    goal_columns, can_restore = (1,), True

    def __init__(self):
        self.moving: list[np.ndarray] = []

    def rest_action(self) -> np.ndarray:
        return np.zeros(2)

    def save(self) -> str:
        return "now"

    def rollout(self, state: str, actions: np.ndarray) -> np.ndarray:
        assert state == "now" and len(actions) == 5
        seen = np.zeros((*actions.shape[:2], 3), np.float32)
        seen[..., 0] = np.random.default_rng(0).normal(size=seen.shape[:2])  # what is no goal's
        chosen = int(np.argmax(actions[:, 0, 1]))
        seen[chosen, -1, 1] = 0.1
        self.moving += list(actions[chosen])
        return seen


def act(policy: RandomPolicy, bridge: Any, frames: int, seed: int = 0) -> np.ndarray:
    policy.reset(bridge, np.zeros(3, np.float32), np.random.default_rng(seed))
    return np.array([policy.act(np.zeros(3, np.float32)) for _ in range(frames)])


def test_the_motion_that_moves_something_is_made():
    bridge = Foreseeing()
    acted = act(RandomPolicy(candidates=5), bridge, 60)
    assert np.array_equal(acted, bridge.moving[:60])


def test_nothing_is_tried_where_nothing_can_be_foreseen():
    bridge = Foreseeing()
    undirected = act(RandomPolicy(), bridge, 60)
    bridge.can_restore = False
    assert np.array_equal(act(RandomPolicy(candidates=5), bridge, 60), undirected)
    assert bridge.moving == []


def test_velocities_come_back_and_positions_need_not():
    """Summed up over 400 frames, velocities end nearer to where they began than if none were undone."""
    bridge = Foreseeing()
    ends = lambda: [
        np.abs(act(RandomPolicy(), bridge, 400, s).sum(axis=0)).max() for s in range(12)
    ]
    velocities = act(RandomPolicy(), bridge, 400)
    assert (np.abs(velocities) <= 1.0).all() and (velocities.std(axis=0) > 0.3).all()
    smooth = np.mean(velocities[1:] * velocities[:-1], axis=0) / np.mean(velocities**2, axis=0)
    assert (smooth > 0.6).all()
    coming_back = np.mean(ends())
    bridge.position_target = True
    assert coming_back < 0.7 * np.mean(ends())


def test_targets_of_the_arm_stay_within_bounds_and_rate():
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    bridge = Bridge.make("gyrax/ArmPush-v0", {})
    recording = next(record(bridge, RandomPolicy(), episodes=1, seed=0, frames=120))
    action = recording.columns["action"].astype(np.float64)
    assert (action >= bridge.low - 1e-6).all() and (action <= bridge.high + 1e-6).all()
    assert np.abs(np.diff(action, axis=0)).max() < 0.1 + 1e-5
    assert (action.std(axis=0) > 0.1).all()


def test_trying_leaves_no_trace():
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    bridge, policy = Bridge.make("gyrax/ArmPush-v0", {}), RandomPolicy(candidates=3)
    features = bridge.reset(0)
    policy.reset(bridge, features, np.random.default_rng(0))
    for _ in range(30):
        before = bridge.save()
        action = policy.act(features)
        assert np.array_equal(bridge.save(), before)
        features = bridge.step(action).features
