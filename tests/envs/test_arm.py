"""The arm as a Gymnasium environment: what it promises Gymnasium, its full state, and its goals."""

from typing import Any

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.envs.arm.columns import FIRST_CUBE
from gyrax.envs.arm.columns import features as data_columns
from gyrax.envs.arm.kinematics import LOWER, UPPER

pytest.importorskip("mujoco")
gymnasium: Any = pytest.importorskip("gymnasium")

import gyrax.envs  # noqa: E402, F401  registers the arm


def make(cubes: int = 1, **options: Any) -> Any:
    return gymnasium.make("gyrax/ArmPush-v0", cubes=cubes, **options)


def walk(env: Any, frames: int, seed: int = 0) -> np.ndarray:
    """Targets (frames, 6) that wander from where the arm is, and run into the bounds."""
    steps = np.random.default_rng(seed).normal(0.0, 0.06, (frames, 6))
    return env.unwrapped.rest_action() + np.cumsum(steps, axis=0)


@pytest.mark.filterwarnings(
    "ignore:.*Box (action|observation) space"
)  # it would have them normalised
def test_gymnasium_finds_nothing_wrong():
    from gymnasium.utils.env_checker import check_env

    check_env(make(cubes=2).unwrapped, skip_render_check=True)


def test_numbers_and_names_are_those_of_the_data():
    env = make(cubes=3).unwrapped
    columns = data_columns(3)
    assert env.columns == tuple(f"{k}.{n}" for k in list(columns)[:2] for n in columns[k].names)
    observation, _ = env.reset(seed=1)
    assert observation.shape == (len(env.columns),)
    cube = env.world.mujoco.mj_name2id(env.world.model, 1, "cube2")  # a body, by its name
    seen = observation[FIRST_CUBE + 7 : FIRST_CUBE + 10]
    np.testing.assert_allclose(seen, env.world.data.xpos[cube], atol=1e-6)
    assert (env.action_space.low == LOWER).all() and (env.action_space.high == UPPER).all()


def test_time_limit_and_seed():
    env, other = make(), make()
    first, _ = env.reset(seed=4)
    assert np.array_equal(first, other.reset(seed=4)[0])
    assert not np.array_equal(first, other.reset(seed=5)[0])
    assert env.spec.max_episode_steps == 300


@pytest.mark.parametrize("cubes", [1, 3])
def test_going_on_from_a_saved_state_is_as_not_stopping(cubes: int):
    """To the bit, in the same world and in another, after contact with a cube."""
    env, other = make(cubes).unwrapped, make(cubes).unwrapped
    env.reset(seed=3)
    policy, rng = env.scripted(), np.random.default_rng(1)
    state = policy.start(rng).state
    env.reset(options={"state": state})
    policy.reset(env, env.observation(), rng)
    before = env.observation()
    for _ in range(70):
        seen, *_ = env.step(policy.act(before))
    assert np.abs(seen - before)[FIRST_CUBE : FIRST_CUBE + 7 * cubes].max() > 0.005
    saved, targets = env.save(), walk(env, 20)
    uninterrupted = [env.step(target)[0] for target in targets]
    assert np.array_equal(env.restore(saved), seen)
    assert np.array_equal([env.step(target)[0] for target in targets], uninterrupted)
    other.reset(seed=8, options={"state": saved})
    assert np.array_equal([other.step(target)[0] for target in targets], uninterrupted)


def test_rollout_is_stepping():
    env = make(cubes=2).unwrapped
    env.reset(seed=2)
    for target in walk(env, 40):
        env.step(target)
    state, held = env.save(), env.rest_action()
    actions = np.stack([walk(env, 12, seed) for seed in range(5)])
    rolled = env.rollout(state, actions)
    assert np.array_equal(env.rest_action(), held)
    assert np.array_equal(env.save(), state)
    for sequence, seen in zip(actions, rolled, strict=True):
        env.restore(state)
        stepped = [env.step(target)[0] for target in sequence]
        np.testing.assert_allclose(seen, stepped, rtol=0, atol=1e-6)


def test_success_is_every_cube_within_two_centimetres():
    env = make(cubes=2)
    observation, info = env.reset(seed=0)
    assert "success" not in info
    for shift, expected in ((0.019, True), (0.021, False)):
        goal = observation.copy()
        goal[FIRST_CUBE + 7] += shift  # x of the second cube
        goal[FIRST_CUBE + 2] += 1.0  # heights do not count
        again, info = env.reset(seed=0, options={"goal": goal})
        assert np.array_equal(again, observation)
        assert info["success"] is expected
        _, reward, terminated, truncated, info = env.step(env.unwrapped.rest_action())
        assert info["success"] is expected and not (terminated or truncated)
        assert reward == pytest.approx(-shift / 2, abs=2e-4)


def test_a_state_or_goal_of_another_world_is_refused():
    env, other = make(cubes=1).unwrapped, make(cubes=2).unwrapped
    other.reset(seed=0)
    with pytest.raises(ValueError, match="state has shape"):
        env.restore(other.save())
    with pytest.raises(ValueError, match="goal has shape"):
        env.set_goal(other.observation())


def test_pictures_show_the_cube():
    """The pixels that change when only the cube moves have its colour in one of the pictures."""
    env = make(render_mode="rgb_array").unwrapped
    env.reset(seed=0)
    try:
        before = env.render()
    except InputError as error:
        pytest.skip(str(error))
    assert before.shape == (480, 640, 3) and before.dtype == np.uint8
    env.world.cube(0)[2] += 0.5  # out of the picture
    after = env.render()
    changed = np.abs(before.astype(int) - after).sum(axis=2) > 60
    assert 50 < changed.sum() < 0.1 * changed.size
    env.close()
