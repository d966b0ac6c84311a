"""The bridge: one face for arrays and goal dictionaries, for MuJoCo and for what can only be copied."""

import sys
from typing import Any

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge

gymnasium: Any = pytest.importorskip("gymnasium")

ROBOTICS = ("FetchReach-v4", "FetchPush-v4", "PointMaze_UMaze-v3")
MUJOCO = ("Reacher-v5", "gyrax/ArmPush-v0")


def make(id: str) -> Bridge:
    if id in MUJOCO + ROBOTICS:
        pytest.importorskip("mujoco")
    if id in ROBOTICS:
        pytest.importorskip("gymnasium_robotics")
    return Bridge.make(id)


def steps(bridge: Bridge, actions: np.ndarray) -> np.ndarray:
    """Features and reward after each action."""
    taken = [bridge.step(action) for action in actions]
    return np.array([[*step.features, step.reward] for step in taken])


@pytest.mark.parametrize("id", ["Pendulum-v1", "MountainCarContinuous-v0", *MUJOCO, *ROBOTICS])
def test_saved_restored_and_rolled_out_is_as_stepped(id: str):
    bridge, other = make(id), make(id)
    assert bridge.can_restore
    bridge.reset(3)
    actions = np.random.default_rng(0).uniform(bridge.low, bridge.high, (12, len(bridge.low)))
    steps(bridge, actions[:4])
    state = bridge.save()
    uninterrupted, goal = steps(bridge, actions[4:]), bridge.goal
    bridge.restore(state)
    assert np.array_equal(steps(bridge, actions[4:]), uninterrupted)
    other.reset(9, state)
    assert np.array_equal(steps(other, actions[4:]), uninterrupted)
    assert goal is None or np.array_equal(other.goal, goal)
    here = bridge.save()
    rolled = bridge.rollout(state, np.stack([actions[4:], actions[4:] * 0.5]))
    np.testing.assert_allclose(rolled[0], uninterrupted[:, :-1], rtol=0, atol=1e-6)
    assert not np.array_equal(rolled[0], rolled[1])
    after = steps(bridge, actions[:3])
    bridge.restore(here)
    assert np.array_equal(steps(bridge, actions[:3]), after)


def test_an_array_of_numbers():
    bridge = make("Pendulum-v1")
    assert bridge.columns == tuple(f"observation.state.observation.{i}" for i in range(3))
    assert (bridge.action_columns, bridge.fps, bridge.max_frames) == (("action.0",), 20.0, 200)
    assert (bridge.low, bridge.high) == (-2.0, 2.0)
    assert bridge.goal_columns == () and not bridge.position_target and bridge.scripted() is None
    features = bridge.reset(0)
    raw, _ = gymnasium.make("Pendulum-v1").reset(seed=0)
    assert np.array_equal(features, raw)
    assert bridge.step(np.zeros(1)).success is None
    with pytest.raises(InputError, match="has no goal to set"):
        bridge.set_goal(features)
    for _ in range(250):  # past the time limit, which is the caller's
        assert not bridge.step(np.zeros(1)).truncated


def test_a_dictionary_with_a_goal():
    bridge = make("FetchReach-v4")
    features = bridge.reset(0)
    assert len(features) == 13 and bridge.goal_columns == (10, 11, 12)
    assert bridge.columns[-1] == "observation.state.achieved_goal.2"
    assert np.array_equal(features[:3], features[10:])  # achieved is where the gripper is
    assert bridge.goal is not None and not np.allclose(bridge.goal, features[10:], atol=1e-3)
    assert bridge.step(np.zeros(4)).success is False
    bridge.set_goal(features)
    assert bridge.step(np.zeros(4)).success is True


def test_the_arm():
    bridge = make("gyrax/ArmPush-v0")
    assert (bridge.fps, bridge.max_frames, bridge.position_target) == (30.0, 300, True)
    assert bridge.action_rate is not None and bridge.action_rate.tolist() == [0.1] * 6
    names = [bridge.columns[i] for i in bridge.goal_columns]
    assert names == [f"observation.environment_state.cube_pose.{axis}" for axis in "xy"]
    features = bridge.reset(0)
    bridge.set_goal(features)
    assert np.array_equal(bridge.goal, features[list(bridge.goal_columns)])
    assert bridge.step(bridge.rest_action()).success is True


def test_what_is_outside_the_bounds_is_cut():
    bridge = make("Pendulum-v1")
    bridge.reset(0)
    state = bridge.save()
    far = bridge.step(np.array([50.0])).features
    bridge.restore(state)
    assert np.array_equal(bridge.step(np.array([2.0])).features, far)
    with pytest.raises(ValueError, match="1 finite numbers"):
        bridge.step(np.array([np.nan]))
    with pytest.raises(ValueError, match="1 finite numbers"):
        bridge.step(np.zeros(2))


class Broken(gymnasium.Env):
    """Raises or shows NaN at its third frame, or has spaces that no bridge takes."""

    def __init__(self, how: str = "raises"):
        if how == "unmakable":
            raise RuntimeError("no such robot\nsecond line")
        box, text = gymnasium.spaces.Box, gymnasium.spaces.Text(5)
        self.observation_space = text if how == "text" else box(-1, 1, (2,))
        self.action_space = box(-np.inf, np.inf, (1,)) if how == "unbounded" else box(-1, 1, (1,))
        self.how, self.lock = how, sys.stderr if how == "uncopyable" else None

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.frame = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.frame += 1
        if self.frame == 3 and self.how == "raises":
            raise RuntimeError("motor 3 is hot\nsecond line")
        value = np.nan if self.frame == 3 and self.how == "nan" else 0.1
        return np.array([0.0, value], np.float32), 0.0, False, False, {}


@pytest.fixture
def broken() -> Any:
    gymnasium.register("Broken-v0", Broken)
    yield "Broken-v0"
    del gymnasium.registry["Broken-v0"]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("raises", "step failed at frame 2 .*motor 3 is hot"),
        ("nan", r"observation.1 is not finite at frame 3"),
    ],
)
def test_an_environment_that_breaks_is_one_line(broken: str, how: str, says: str):
    bridge = Bridge.make(broken, {"how": how})
    bridge.reset(0)
    with pytest.raises(InputError, match=f"Broken-v0: .*{says}") as raised:
        steps(bridge, np.zeros((5, 1)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("unmakable", "could not be made with .*no such robot"),
        ("text", "observation is Text"),
        ("unbounded", "its actions are Box.*finite bounds"),
    ],
)
def test_an_environment_that_cannot_be_used_is_one_line(broken: str, how: str, says: str):
    with pytest.raises(InputError, match=f"Broken-v0: .*{says}") as raised:
        Bridge.make(broken, {"how": how})
    assert "\n" not in str(raised.value)


def test_what_cannot_be_copied_cannot_be_restored(broken: str):
    bridge = Bridge.make(broken, {"how": "uncopyable"})
    bridge.reset(0)
    assert not bridge.can_restore
    with pytest.raises(InputError, match="its state cannot be saved"):
        bridge.save()


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("Nothing-v0", "no environment 'Nothing-v0'"),
        ("nothing_here:Env-v0", "No module named 'nothing_here'"),
        ("CartPole-v1", "its actions are Discrete"),
        ("not an id", "no environment 'not an id'"),
    ],
)
def test_ids_that_name_nothing_usable(id: str, says: str):
    with pytest.raises(InputError, match=says):
        Bridge.make(id)


def test_without_gymnasium(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(InputError, match=r"pip install 'gyrax\[sim\]'"):
        Bridge.make("Pendulum-v1")
