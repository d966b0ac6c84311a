"""The linear path through the latent, and latents that keep the whole point."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax.atlas.principal import SIZE, principal_maps
from gyrax.geometry import log_map
from gyrax.geometry.safe import bounded, unbounded
from gyrax.training.build import build_system
from gyrax.training.presets import make_settings

SMALL = dict(latent_dim=4, num_charts=3, codes_per_chart=4, hidden_dim=16, wm_d_model=8)


def data(features, count=300):
    """Standardised, correlated, around zero."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, features)) @ rng.normal(size=(features, features))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


def test_unbounded_undoes_bounded_and_is_finite_beyond():
    with jax.enable_x64(True):
        for length in (0.0, 1e-9, 1e-3, 0.5, 2.0, 3.5):
            x = jnp.asarray([0.6, 0.0, -0.8]) * length
            np.testing.assert_allclose(unbounded(bounded(x, 1.5), 1.5), x, rtol=1e-6, atol=1e-15)
        far, slope = jax.value_and_grad(lambda t: unbounded(jnp.asarray([t, 0.0]), 1.5)[0])(4.0)
        assert 4.0 < far < 12.0
        assert 0.0 < slope < 3.0
        assert np.isfinite(jax.jacobian(lambda x: unbounded(x, 1.5))(jnp.zeros(2))).all()


@pytest.mark.parametrize("dim", [2, 5, 9])
def test_principal_maps_lose_what_the_best_linear_maps_lose(dim):
    x = data(6)
    inward, outward = principal_maps(x, dim)
    u, s, v = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    best = (u[:, :dim] * s[:dim]) @ v[:dim]
    np.testing.assert_allclose(x @ inward.T @ outward.T, best, atol=1e-4)
    square = np.sum((x @ inward.T) ** 2, axis=1)
    assert np.mean(square) == pytest.approx(SIZE**2, rel=1e-4)


@pytest.mark.parametrize("features", [1, 3, 60])
def test_an_untrained_latent_loses_little_more_than_principal_components(features):
    x = data(features)
    system = build_system(make_settings(None, SMALL), features, key=jr.key(0)).with_principal(x)
    run = eqx.filter_jit(lambda s, x: s.decode(s.encode(x).z))
    ours = np.sqrt(np.mean((np.asarray(run(system, x)) - x) ** 2))
    inward, outward = principal_maps(x, 4)
    assert ours < np.sqrt(np.mean((x @ inward.T @ outward.T - x) ** 2)) + 0.02


def test_a_whole_latent_is_the_point_and_a_quantised_one_is_not():
    x = data(6)
    points = {}
    for whole in (True, False):
        settings = make_settings(None, SMALL | dict(latent_whole=whole))
        system = build_system(settings, 6, key=jr.key(0)).with_principal(x)
        encoding = eqx.filter_jit(lambda s, x: s.encode(x))(system, x)
        points[whole] = encoding
    tangent = log_map(jnp.zeros_like(points[True].z), points[True].z)
    expected = jax.vmap(lambda t: bounded(t, 1.5))(x @ system.encoder.linear.value.T)
    np.testing.assert_allclose(tangent, expected, atol=0.05)
    assert np.abs(points[False].z - points[True].z).max() > 0.05
    assert not np.any(points[True].texture)
    assert np.any(points[False].texture)


def test_the_start_is_made_once():
    x = data(6)
    system = build_system(make_settings(None, SMALL), 6, key=jr.key(0))
    begun = system.with_principal(x)
    assert np.any(begun.encoder.linear.value)
    assert begun.with_principal(2 * x) is begun
    plain = build_system(make_settings("document", SMALL), 6, key=jr.key(0))
    assert plain.with_principal(x) is plain
