"""Laws of the single fields: Lipschitz bound, antisymmetry, isometry, gradient force."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from gyrax import kinetic_energy
from gyrax.dynamics import PhaseState, apply_jump
from gyrax.fields import FactorizedJumpOperator
from gyrax.fields.potential import drive, drive_gradient
from gyrax.geometry import distance
from gyrax.nn import SpectralLinear
from gyrax.nn.gated import NormGatedGELU
from gyrax.training.build import build_system
from gyrax.training.presets import make_settings

SMALL = dict(latent_dim=4, num_charts=3, wm_d_model=16, hidden_dim=16, codes_per_chart=3,
             action_dim=3, wm_token_init=0.7)  # fmt: skip


def world_model(**changes):
    config = make_settings("document", SMALL | changes)
    return build_system(config, 5, key=jr.key(0)).world_model


def largest_singular_value(layer):
    return np.linalg.svd(np.asarray(layer.matrix), compute_uv=False).max()


def test_spectral_bound_holds_through_training():
    """Gradient steps that stretch W: the true σ of the normalised matrix stays within 1e-3 of one."""
    layer = SpectralLinear.create(3, 24, 16, key=jr.key(0))
    x = jr.normal(jr.key(1), (64, 16))
    optimiser = optax.adam(1e-2)

    @eqx.filter_jit
    def train(layer):
        def step(carry, _):
            layer, state = carry
            loss = lambda w: -jnp.mean(jax.vmap(eqx.tree_at(WEIGHT, layer, w))(x) ** 2)
            updates, state = optimiser.update(jax.grad(loss)(layer.weight), state)
            layer = eqx.tree_at(WEIGHT, layer, layer.weight + updates)
            return (layer.refreshed(2), state), None

        return jax.lax.scan(step, (layer, optimiser.init(layer.weight)), length=300)[0][0]

    layer = train(layer)
    assert largest_singular_value(layer) <= 1.15, "two iterations a step must keep track"
    layer = layer.exact()
    raw = np.linalg.svd(np.asarray(layer.weight), compute_uv=False).max()
    assert raw > 1.5, "the test must leave the region where no normalisation is needed"
    assert largest_singular_value(layer) <= 1 + 1e-3


WEIGHT = lambda layer: layer.weight


def test_small_weights_are_left_alone():
    weight = 0.1 * jr.normal(jr.key(0), (5, 7)) / 7
    np.testing.assert_array_equal(SpectralLinear(weight).matrix, weight)


def test_norm_gate_commutes_with_rotations_of_a_bundle():
    gate = eqx.tree_at(lambda g: g.bias, NormGatedGELU(8, 4), jnp.array([0.3, -0.2]))
    rotation = jnp.linalg.qr(jr.normal(jr.key(0), (4, 4)))[0]
    turn = lambda x: (x.reshape(2, 4) @ rotation.T).reshape(8)
    x = jr.normal(jr.key(1), (8,))
    np.testing.assert_allclose(gate(turn(x)), turn(gate(x)), atol=1e-6)
    with pytest.raises(ValueError, match="not a multiple"):
        NormGatedGELU(9, 4)


def test_curl_is_antisymmetric():
    call = eqx.filter_jit(lambda curl, z, action: curl(z, action))
    field = call(world_model().curl, np.full(4, 0.3, "f4"), np.array([1.0, -2.0, 0.5], "f4"))
    assert np.abs(field).max() > 0
    np.testing.assert_array_equal(field, -field.T)


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_jump_operator_is_an_isometry_and_invertible(x64, c):
    centers = 0.4 * jr.normal(jr.key(0), (3, 4)) / 4
    operator = FactorizedJumpOperator.create(centers, c=c, key=jr.key(1))
    operator = eqx.tree_at(lambda o: o.generator, operator, jr.normal(jr.key(2), (3, 6)))
    x, y = 0.5 * jr.normal(jr.key(3), (2, 4)) / 4
    s, t = np.int64(0), np.int64(2)
    move = eqx.filter_jit(lambda x, s, t: operator(x, s, t))
    moved = move(x, s, t), move(y, s, t)
    np.testing.assert_allclose(distance(*moved, c), distance(x, y, c), rtol=1e-12)
    np.testing.assert_allclose(move(moved[0], t, s), x, atol=1e-13)
    np.testing.assert_allclose(move(x, s, s), x, atol=1e-13)
    assert np.linalg.norm(np.asarray(moved[0]) - x) > 0.1


def jump_operator(c, dtype):
    operator = FactorizedJumpOperator.create(
        jnp.array([[0.3, -0.2, 0.1], [-0.4, 0.1, 0.5]], dtype), c=c, key=jr.key(1)
    )
    generator = jr.normal(jr.key(2), (2, 3), dtype)
    return eqx.tree_at(lambda o: o.generator, operator, generator).fold()


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_a_jump_carries_the_momentum_by_the_differential_of_the_operator(x64, c):
    operator, (s, t) = jump_operator(c, jnp.float64), jnp.arange(2)
    z, p = jnp.array([0.5, 0.2, -0.6]), jnp.array([-1.0, 2.0, 0.7])
    by_derivative = lambda z, p: apply_jump(lambda x: operator(x, s, t), PhaseState(z, p), c)
    expected = jax.jit(by_derivative)(z, p)
    moved, momentum = jax.jit(lambda z, p: operator.carry(z, p, s, t))(z, p)
    np.testing.assert_allclose(moved, expected.z, rtol=1e-13)
    np.testing.assert_allclose(momentum, expected.p, rtol=1e-12)


def test_a_jump_keeps_the_kinetic_energy_at_the_boundary():
    """In float32, where JAX's own differential loses it altogether."""
    operator, (s, t) = jump_operator(1.0, jnp.float32), jnp.arange(2)
    gap = np.float32([[1e-1], [1e-3], [1e-6]])
    z = (1 - gap) * np.float32([0.6, -0.48, 0.64])
    p = np.float32([0.3, -0.5, 0.8]) / gap
    carried = lambda z, p: kinetic_energy(*operator.carry(z, p, s, t)) / kinetic_energy(z, p)
    ratio = jax.jit(jax.vmap(carried))(z, p)
    np.testing.assert_allclose(ratio, 1.0, rtol=16 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_drive_gradient_is_the_gradient(x64, c):
    z = jnp.array([0.3, -0.2, 0.6])
    np.testing.assert_allclose(drive_gradient(z, c), jax.grad(drive)(z, c), rtol=1e-12)
    assert jnp.all(jnp.isfinite(drive_gradient(jnp.zeros(3), c)))


def test_gradient_force_is_the_gradient_of_phi(x64):
    """`force="gradient"` is ∂Φ; the direct force is another function."""
    model = world_model(wm_force="gradient")
    z, w = jnp.array([0.3, -0.2, 0.1, 0.25]), jnp.array([0.5, 0.2, 0.3])
    steps = 1e-6 * np.eye(4)
    around = jnp.asarray([z, *(z + steps), *(z - steps)])
    read = eqx.filter_jit(lambda potential: jax.vmap(lambda z: potential(z, w))(around))
    forces, phi = map(np.asarray, read(model.potential))
    force, differences = forces[0], (phi[1:5] - phi[5:]) / 2e-6
    np.testing.assert_allclose(force, differences, rtol=1e-6, atol=1e-9)
    direct = np.asarray(read(world_model().potential)[0])[0]
    assert np.abs(direct - force).max() > 1e-3


def test_the_jump_rate_has_tokens_of_its_own_scale():
    """Only its chart tokens grow with `wm_jump_token_init`: nothing else of the model does."""
    one, two = (world_model(wm_jump_token_init=scale) for scale in (1.0, 2.0))
    np.testing.assert_allclose(two.jump_rate.charts.embedding, 2 * one.jump_rate.charts.embedding)
    one, two = (
        eqx.tree_at(lambda m: m.jump_rate.charts.embedding, m, jnp.zeros(0)) for m in (one, two)
    )
    assert eqx.tree_equal(one, two)


def test_the_chart_target_starts_as_the_decoders_router():
    """But for a small term of the action; and it does so once."""
    system = build_system(make_settings("default", SMALL), 5, key=jr.key(0))
    router = system.decoder.router
    router = eqx.tree_at(lambda r: r.position, router, 20.0 * router.position)
    target = system.world_model.chart_target.started(router.centers, router.quadratic)
    z = 0.4 * jr.normal(jr.key(1), (50, 4)) / 2.0
    action = jnp.ones((50, system.world_model.chart_target.actions.weight.shape[0]))
    logits = jax.vmap(target)(z, action)
    expected = jax.vmap(router)(z)
    assert jnp.ptp(expected, axis=0).max() > 0.2
    np.testing.assert_allclose(jax.nn.softmax(logits), expected, atol=0.02)
    assert target.started(0.0 * router.centers, 2.0 * router.quadratic) is target
    plain = world_model().chart_target
    assert plain.started(router.centers, router.quadratic) is plain
