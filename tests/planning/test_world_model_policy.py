"""The example that makes the agent a policy of stable-worldmodel, under that package's contract."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from gyrax.data.frames import load_frames
from gyrax.planning import PlanSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "world_model_policy.py"


class BasePolicy:
    """What stable-worldmodel's base class promises; used where the package is not installed."""

    def __init__(self, **kwargs):
        self.env = None

    def set_env(self, env):
        self.env = env


@pytest.fixture
def example(monkeypatch):
    if importlib.util.find_spec("stable_worldmodel") is None:
        package, policy = ModuleType("stable_worldmodel"), ModuleType("stable_worldmodel.policy")
        policy.BasePolicy = BasePolicy
        monkeypatch.setitem(sys.modules, "stable_worldmodel", package)
        monkeypatch.setitem(sys.modules, "stable_worldmodel.policy", policy)
    spec = importlib.util.spec_from_file_location("world_model_policy", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_copy_acts_towards_its_own_goal(example, trained, tiny_folder):
    frames = load_frames(tiny_folder).features
    bound = np.full(6, 0.9, np.float32)
    space = SimpleNamespace(low=-bound, high=bound, shape=(6,))
    env = SimpleNamespace(
        num_envs=2, single_action_space=space, action_space=SimpleNamespace(shape=(2, 6))
    )
    settings = PlanSettings(samples=8, iterations=1, horizon=6, knots=2, replan_every=2)
    policy = example.GyraxPolicy(str(trained.out), settings=settings)
    policy.set_env(env)
    info = {"state": frames[[3, 30]][:, None], "goal_state": frames[[12, 40]][:, None]}
    first = policy.get_action(info)
    assert first.shape == (2, 6) and np.all(np.abs(first) <= 0.9)
    assert np.abs(first[0] - first[1]).max() > 0
    policy.get_action(info)
    assert [agent.controller.plans for agent in policy.agents] == [1, 1]
    info["goal_state"][0] += 0.1
    policy.get_action(info)
    assert [agent.controller.done for agent in policy.agents] == [1, 1]
    np.testing.assert_allclose(policy.agents[0].goal, info["goal_state"][0, 0])
