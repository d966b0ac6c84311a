"""The rollout against diffrax's own loop, and every option that must reach it."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax.dynamics import PhaseState, kinetic_energy, solver_by_name
from gyrax.geometry import distance, flat, log_map
from gyrax.training.build import build_system
from gyrax.training.presets import make_settings

SMALL = dict(latent_dim=3, num_charts=4, wm_d_model=12, hidden_dim=16, codes_per_chart=3,
             action_dim=2, wm_token_init=1.0, wm_dt=0.3)  # fmt: skip
HORIZON = 4


def world_model(**changes):
    return build_system(make_settings("document", SMALL | changes), 5, key=jr.key(3)).world_model


def start(dtype=jnp.float32):
    z0 = jnp.array([0.3, -0.2, 0.4], dtype)
    actions = jr.normal(jr.key(1), (HORIZON, 2), dtype)
    return z0, actions, jnp.array([0.1, 0.2, 0.3, 0.4], dtype)


roll = eqx.filter_jit(lambda model, *args, **kw: model.rollout(*args, **kw))


@pytest.mark.parametrize("solver", ["baoab", "aboba", "document", "heun"])
def test_rollout_is_diffeqsolve_frame_by_frame(solver, x64):
    """Without jumps and noise a frame is `substeps` steps of `diffeqsolve` under one action."""
    model = world_model(solver=solver, wm_substeps=3, wm_use_jump=False, wm_T_c=0.0)
    z0, actions, w0 = start(jnp.float64)

    @eqx.filter_jit
    def by_hand(model):
        folded = model.fold()

        def frame(carry, action):
            y, w = carry
            y = diffrax.diffeqsolve(
                model.terms(folded, None), solver_by_name(solver), 0.0, model.frame_time, model.dt,
                y, (action, w), max_steps=3, saveat=diffrax.SaveAt(t1=True),
            ).ys  # fmt: skip
            y = jax.tree.map(lambda x: x[0], y)
            return (y, jax.nn.softmax(model.chart_target(y.z, action))), y

        first = PhaseState(z0, model.initial_momentum(z0)), w0
        return jax.lax.scan(frame, first, actions)[1]

    want, have = by_hand(model), roll(model, z0, actions, w0)
    np.testing.assert_allclose(have.positions, want.z, atol=1e-12)
    np.testing.assert_allclose(have.momenta, want.p, rtol=1e-10, atol=1e-12)


def test_trajectory_is_what_it_says(dtype):
    model = world_model(wm_use_jump=False, wm_T_c=0.0)
    z0, actions, w0 = start(dtype)
    t = roll(model, z0, actions, w0)
    assert t.positions.dtype == t.momenta.dtype == dtype
    np.testing.assert_allclose(t.chart_weights, jax.nn.softmax(t.chart_logits), rtol=1e-5)
    known = jnp.concatenate([w0[None], t.chart_weights[:-1]])
    fields = eqx.filter_jit(
        lambda m: jax.vmap(lambda z, a, w: (m.potential(z, w)[1], m.jump_rate(z, w),
                                            m.chart_target(z, a)))(t.positions, actions, known)
    )(model)  # fmt: skip
    np.testing.assert_allclose(t.effective_potential, fields[0], rtol=2e-5)
    np.testing.assert_allclose(t.jump_rates, fields[1], rtol=2e-5)
    np.testing.assert_allclose(t.chart_logits, fields[2], rtol=2e-4, atol=1e-5)


def test_noise_and_determinism():
    z0, actions, w0 = start()
    warm, cold = world_model(wm_T_c=0.5), world_model(wm_T_c=0.0)
    same = [roll(warm, z0, actions, w0, key=jr.key(0)).positions for _ in range(2)]
    np.testing.assert_array_equal(*same)
    other = roll(warm, z0, actions, w0, key=jr.key(1)).positions
    assert jnp.abs(other - same[0]).max() > 1e-3
    still = roll(warm, z0, actions, w0).positions
    np.testing.assert_array_equal(still, roll(cold, z0, actions, w0, key=jr.key(0)).positions)
    np.testing.assert_array_equal(still, roll(cold, z0, actions, w0).positions)


@pytest.mark.parametrize(
    "change",
    [dict(wm_substeps=2), dict(wm_use_potential=False), dict(wm_use_control=False),
     dict(wm_use_boris=False), dict(solver="obabo"), dict(wm_beta_curl=3.0),
     dict(wm_force="gradient"), dict(wm_gamma_friction=3.0), dict(wm_alpha_potential=0.1),
     dict(wm_orthonormal=True), dict(curvature=0.5)],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_option_reaches_the_rollout(change):
    z0, actions, w0 = start()
    plain, changed = world_model(wm_T_c=0.0), world_model(wm_T_c=0.0, **change)
    base = roll(plain, z0, actions, w0).positions
    assert jnp.abs(roll(changed, z0, actions, w0).positions - base).max() > 1e-6


def test_context_gives_the_velocity(x64):
    """With no forces and no friction the point goes on along the geodesic that led to it."""
    model = world_model(
        curvature=0.7, wm_gamma_friction=0.0, wm_output_init=1e-12, wm_T_c=0.0, wm_use_jump=False,
        wm_use_potential=False, wm_use_control=False, wm_use_boris=False,
    )  # fmt: skip
    z0, actions, w0 = start(jnp.float64)
    before = jnp.array([0.25, -0.25, 0.35])
    t = roll(model, z0, actions, w0, z_previous=before)
    step = distance(before, z0, 0.7)
    np.testing.assert_allclose(distance(z0, t.positions[0], 0.7), step, rtol=1e-9)
    np.testing.assert_allclose(distance(before, t.positions[-1], 0.7), 5 * step, rtol=1e-9)
    p = flat(z0, -log_map(z0, before, 0.7), 0.7) / model.frame_time
    np.testing.assert_allclose(model.initial_momentum(z0, before), p, atol=1e-10)


def test_jumps_move_the_point_and_keep_its_energy(x64):
    z0, actions, w0 = start(jnp.float64)
    jumping = world_model(wm_jump_offset=30.0, wm_T_c=0.0)
    t = roll(jumping, z0, actions[:1], w0)
    still = roll(world_model(wm_jump_offset=-30.0, wm_T_c=0.0), z0, actions[:1], w0)
    assert t.jump_mask[0] and not still.jump_mask[0]
    source, target = jnp.argmax(w0), jnp.argmax(t.chart_logits[0])
    assert source != target, "the sample must change charts"
    landed = jumping.jump_operator(still.positions[0], source, target)
    np.testing.assert_allclose(t.positions[0], landed, atol=1e-12)
    energy = kinetic_energy(t.positions[0], t.momenta[0])
    np.testing.assert_allclose(
        energy, kinetic_energy(still.positions[0], still.momenta[0]), rtol=1e-10
    )
    off = roll(world_model(wm_jump_offset=30.0, wm_use_jump=False, wm_T_c=0.0), z0, actions[:1], w0)
    assert not off.jump_mask[0]


def test_gradient_force_conserves_energy(x64):
    """H = Φ + T is kept only where the force is ∂Φ: the direct force drifts far more."""
    drift = {}
    for force in ("gradient", "direct"):
        model = world_model(wm_force=force, wm_gamma_friction=0.0, wm_use_jump=False, wm_T_c=0.0,
                            wm_dt=0.02, wm_gate_charts=False)  # fmt: skip
        silent = eqx.tree_at(lambda m: m.control.head.weight, model, replace_fn=lambda w: 0.0 * w)
        z0, _, w0 = start(jnp.float64)
        t = roll(silent, z0, jnp.zeros((40, 2)), w0)
        energy = t.effective_potential + kinetic_energy(t.positions, t.momenta)
        drift[force] = float(jnp.abs(energy - energy[0]).max())
    assert drift["gradient"] < 1e-3
    assert drift["direct"] > 20 * drift["gradient"]
