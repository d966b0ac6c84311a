"""The flat twin against Euclidean space."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax.evaluation.baselines import FlatTwin
from gyrax.evaluation.baselines.flat_twin import FLAT
from gyrax.geometry import (
    conformal_factor,
    distance,
    exp_map,
    geodesic_flow,
    gyration,
    log_map,
    mobius_add,
)
from gyrax.model import Window
from gyrax.training.build import build_system, build_world_model
from gyrax.training.presets import make_settings
from tiny import TINY


def test_geometry_is_euclidean():
    """In float32, to its rounding."""
    x, y, w = jr.normal(jr.key(0), (3, 200, 4))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    close(conformal_factor(x, FLAT), np.full(200, 2.0))
    close(distance(x, y, FLAT), 2 * np.linalg.norm(x - y, axis=-1))
    close(mobius_add(x, y, FLAT), x + y)
    close(exp_map(x, y, FLAT), x + y)
    close(log_map(x, y, FLAT), y - x)
    close(gyration(x, y, w, FLAT), w)
    z, p = geodesic_flow(x, w, 0.7, FLAT)
    close(z, x + 0.7 * w / 4)
    close(p, w)


@pytest.fixture(scope="module")
def twin():
    changed = dict(wm_use_boris=False, curvature=0.8, solver="baoab", wm_servo=0, wm_memory=0,
                   action_history=1)  # fmt: skip
    config = make_settings("default", TINY | changed)
    ball = build_system(config, 8, key=jr.key(1)).world_model
    flat_config = make_settings(None, {"curvature": FLAT}, config)
    flat = build_world_model(flat_config, ball.jump_operator.center, key=jr.key(2))
    return FlatTwin.of(ball, flat), ball, config


def test_starts_with_the_parameters_of_the_model(twin):
    twin, ball, config = twin
    np.testing.assert_array_equal(twin.model.control.head.weight, ball.control.head.weight)
    center = ball.chart_target.center
    moved = log_map(jnp.zeros_like(center), center, config.encoder.curvature)
    np.testing.assert_allclose(twin.model.chart_target.center, moved)
    assert twin.model.c == FLAT and twin.model.control.c == FLAT
    np.testing.assert_allclose(
        distance(jnp.zeros(3), twin.model.chart_target.center, FLAT),
        distance(jnp.zeros(3), center, config.encoder.curvature),
        rtol=1e-5,
    )


def test_is_a_euclidean_baoab(twin):
    """Steps written by hand with the metric 4I, under the twin's own forces and friction."""
    twin, _, config = twin
    # A head that starts small would let any integrator pass.
    head = lambda t: t.model.control.head.weight
    twin = eqx.tree_at(head, twin, replace_fn=lambda w: 30.0 * w)
    rng = np.random.default_rng(4)
    context = exp_map(jnp.zeros((2, 3)), jnp.asarray(0.3 * rng.normal(size=(2, 3)), jnp.float32))
    actions = jnp.asarray(rng.normal(size=(3, 6)), jnp.float32)
    weights = jnp.full(3, 1 / 3)
    before, v = log_map(jnp.zeros((2, 3)), context, config.encoder.curvature)
    model, folded = twin.model, twin.model.fold()
    p = 4 * (v - before) / model.frame_time + 2 * model.momentum_init.linear(v)
    h, decay = model.dt, jnp.exp(-model.friction.value * model.dt)
    points = []
    for action in actions:
        p = p - 0.5 * h * folded.forces(v, action, weights).kick
        v = v + 0.5 * h * p / 4
        p = decay * p
        v = v + 0.5 * h * p / 4
        p = p - 0.5 * h * folded.forces(v, action, weights).kick
        points.append(v)
        weights = jax.nn.softmax(folded.readout(v, action, weights).chart_logits)
    want = exp_map(jnp.zeros((3, 3)), jnp.stack(points), config.encoder.curvature)
    none = jnp.zeros((3, 3)), jnp.zeros(4, int), jnp.ones(3)
    window = Window(context, jnp.full(3, 1 / 3), actions, *none)
    found = jax.jit(lambda window: twin.forecast(window))(window)
    np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5)
    assert float(jnp.abs(points[-1] - before).max()) > 0.05
