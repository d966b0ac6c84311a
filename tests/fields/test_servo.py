"""The servo force leads to its goal, and its goal is what regression says."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import gyrax
from gyrax.dynamics import integrate
from gyrax.fields import ServoForce
from gyrax.fields import servo as servo_force
from gyrax.geometry import distance, exp_map, flat, log_map
from gyrax.model.window import gather_windows
from gyrax.training.build import build_world_model
from gyrax.training.presets import make_settings

pytestmark = pytest.mark.usefixtures("x64")
DIM, ACTIONS = 4, 2


def servo_at(c, key=0, remembered=3):
    made = ServoForce.create(DIM, ACTIONS, 8, remembered, c=c, key=jr.key(key))
    made = jax.tree.map(lambda x: x.astype(float) if isinstance(x, jax.Array) else x, made)
    return dataclasses.replace(made, change=0.3 * jr.normal(jr.key(key + 1), made.change.shape))


@pytest.mark.parametrize("c", [1.0, 0.4])
@pytest.mark.parametrize("friction", [0.0, 0.7])
def test_a_frame_of_kick_rub_and_drift_arrives_at_the_goal(c, friction):
    servo, time = servo_at(c), 0.5
    z, action = 0.2 * jr.normal(jr.key(3), (DIM,)), jr.normal(jr.key(4), (ACTIONS,))
    p = flat(z, 0.3 * jr.normal(jr.key(5), (DIM,)), c)
    memory = 0.5 * jr.normal(jr.key(6), (3,))

    @eqx.filter_jit
    def frame(servo):
        force, after = servo(z, p, action, memory, friction=friction, time=time)
        terms = gyrax.langevin_terms(
            lambda t, z, args: -force, friction=friction, temperature=0.0, path=None, c=c
        )
        end = integrate(terms, gyrax.solver_by_name("boa"), 0.0, time, 1, gyrax.PhaseState(z, p))
        return end, after, *servo.goal(z, p, action, memory, time)

    end, after, goal, same = frame(servo)
    np.testing.assert_array_equal(after, same)
    assert distance(z, goal, c) > 0.1
    assert distance(end.z, goal, c) < 1e-10


def test_untrained_the_goal_lies_straight_ahead_in_normal_coordinates():
    servo = servo_at(1.0)
    still = jax.tree.map(jnp.zeros_like, servo.layers[-1])
    layers = (*servo.layers[:-1], still)
    servo = dataclasses.replace(servo, change=jnp.zeros_like(servo.change), layers=layers)
    z, v = jnp.array([0.3, 0.1, -0.2, 0.0]), jnp.array([0.1, 0.0, 0.05, -0.02])
    before, origin = exp_map(z, -v), jnp.zeros(DIM)
    expected = exp_map(origin, 2 * log_map(origin, z) - log_map(origin, before))
    goal, _ = servo.goal(z, flat(z, v), jnp.zeros(ACTIONS), servo.no_memory(z), 1.0)
    np.testing.assert_allclose(goal, expected, atol=1e-13)


def test_the_goal_stays_within_reach_of_float32():
    servo = dataclasses.replace(servo_at(1.0), change=jnp.full((DIM, 2 * DIM + ACTIONS + 1), 1e6))
    z = jnp.full(DIM, 0.1)
    goal, _ = servo.goal(z, jnp.zeros(DIM), jnp.ones(ACTIONS), servo.no_memory(z), 1.0)
    np.testing.assert_allclose(distance(jnp.zeros(DIM), goal), 6.0, rtol=1e-9)


def test_the_force_depends_on_what_came_before_only_through_its_memory():
    z, p, action = jnp.full(DIM, 0.1), jnp.full(DIM, 0.2), jnp.ones(ACTIONS)
    call = lambda servo, m: servo(z, p, action, m * jnp.ones(3), friction=0.5, time=1.0)[0]
    servo = servo_at(1.0)
    plain, moved = call(servo, 0.0), call(servo, jnp.array([0.5, -0.5, 0.9]))
    assert float(jnp.abs(moved - plain).max()) > 1e-4
    # It reads this frame before the force is made: what it makes of the frame is not a frame late.
    unread = call(eqx.tree_at(lambda s: s.memory.weight_ih, servo, replace_fn=jnp.zeros_like), 0.0)
    assert float(jnp.abs(unread - plain).max()) > 1e-5
    without = servo_at(1.0, remembered=0)
    assert without.memory is None and without.no_memory(z).shape == (0,)


def recurrence(frames=40, episodes=6):
    """Points whose y = log₀ z follow a stable second-order recurrence under random actions."""
    rng = np.random.default_rng(0)
    matrix = np.hstack([-0.3 * np.eye(DIM) + 0.05 * rng.normal(size=(DIM, DIM)),
                        -0.5 * np.eye(DIM) + 0.05 * rng.normal(size=(DIM, DIM)),
                        0.1 * rng.normal(size=(DIM, ACTIONS)), 0.02 * rng.normal(size=(DIM, 1))])  # fmt: skip
    actions = rng.normal(size=(episodes, frames, ACTIONS))
    y = np.zeros((episodes, frames, DIM))
    y[:, :2] = 0.3 * rng.normal(size=(episodes, 2, DIM))
    for t in range(1, frames - 1):
        x = [y[:, t], y[:, t] - y[:, t - 1], actions[:, t], np.ones((episodes, 1))]
        y[:, t + 1] = 2 * y[:, t] - y[:, t - 1] + np.concatenate(x, axis=1) @ matrix.T
    return matrix, y, actions


def penalised(y, actions, index):
    """The ridge solution as plain least squares with a row more for every penalised coefficient."""
    y, actions = y.reshape(-1, DIM), actions.reshape(-1, ACTIONS)
    before, here, after = (y[index[:, i]] for i in range(3))
    x = np.hstack([here, here - before, actions[index[:, 1]], np.ones((len(here), 1))])
    rows = (servo_force.PENALTY * len(x)) ** 0.5 * np.eye(x.shape[1])[:-1]
    second = np.vstack([after - 2 * here + before, np.zeros((len(rows), DIM))])
    return np.linalg.lstsq(np.vstack([x, rows]), second)[0].T


@pytest.mark.parametrize("context", [1, 2])
def test_regression_finds_the_recurrence_and_a_rollout_follows_it(context, monkeypatch):
    matrix, y, actions = recurrence()
    episodes, frames, _ = y.shape
    z = jnp.asarray(exp_map(jnp.zeros_like(jnp.asarray(y)), jnp.asarray(y))).reshape(-1, DIM)
    length = 10
    index = np.concatenate(
        [np.arange(e * frames, (e + 1) * frames - length)[:, None] + np.arange(length)
         for e in range(episodes)]
    )  # fmt: skip
    mask = np.ones((len(index), length - context))
    acts, none = actions.reshape(-1, ACTIONS), np.zeros((len(z), 2))
    windows = gather_windows(np.asarray(z), none, none[:, 0].astype(int), acts, index, mask)
    settings = make_settings("document", dict(
        latent_dim=DIM, num_charts=2, wm_d_model=8, action_dim=ACTIONS, wm_dt=1.0, wm_servo=8,
        solver="boa", wm_context=2, wm_output_init=1e-9, wm_T_c=0.0, wm_alpha_potential=0.0,
        wm_gamma_risk=0.0, wm_use_jump=False))  # fmt: skip
    model = build_world_model(settings, 0.1 * jr.normal(jr.key(0), (2, DIM)), key=jr.key(1))
    model = jax.tree.map(lambda x: x.astype(float) if isinstance(x, jax.Array) else x, model)
    shrunk, unit = (
        model.regressed(windows).servo,
        np.sqrt(np.mean(y.reshape(-1, DIM)[index[:, :3]] ** 2)),
    )
    np.testing.assert_allclose(shrunk.unit.value, unit, rtol=1e-9)
    np.testing.assert_allclose(shrunk.start.value, penalised(y / unit, actions, index), atol=1e-9)
    monkeypatch.setattr(servo_force, "PENALTY", 1e-6)
    model = model.regressed(windows)
    in_units = np.r_[np.ones(2 * DIM), np.full(ACTIONS + 1, 1 / unit)]
    found = model.servo.start.value / in_units
    np.testing.assert_allclose(found, matrix, atol=1e-3)  # the penalty
    layers = (*model.servo.layers[:-1], jax.tree.map(jnp.zeros_like, model.servo.layers[-1]))
    model = dataclasses.replace(model, servo=dataclasses.replace(model.servo, layers=layers))
    i = index[3]
    roll = eqx.filter_jit(lambda model, *args, **kw: model.rollout(*args, **kw))
    out = roll(
        model, z[i[1]], jnp.asarray(acts[i[1:-1]]), jnp.array([1.0, 0.0]), z_previous=z[i[0]]
    )
    assert float(distance(out.positions, z[i[2:]]).max()) < 5e-3
