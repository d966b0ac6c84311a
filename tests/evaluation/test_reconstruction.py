"""What encoding loses, where it is known."""

import jax
import jax.random as jr
import numpy as np
import pytest

from gyrax.evaluation.baselines.autoencoder import Autoencoder, updates_of
from gyrax.evaluation.reconstruction import pca_rmse
from gyrax.training.presets import make_settings
from tiny import TINY


def test_pca_loses_what_is_off_the_principal_directions():
    """Independent features of known spread: those of the smallest are lost."""
    rng = np.random.default_rng(0)
    scale = np.array([3.0, 1.0, 0.5, 0.1])
    train, x = scale * rng.normal(size=(2, 20_000, 4)) + 5.0
    for dim in (1, 2, 3):
        want = np.sqrt(np.sum(scale[dim:] ** 2) / 4)
        assert pca_rmse(train, x, dim) == pytest.approx(want, rel=0.03)


@pytest.mark.parametrize("dim", [4, 9])
def test_as_many_directions_as_features_lose_nothing(dim):
    assert pca_rmse(np.ones((5, 4)), np.ones((5, 4)), dim) == 0.0


def test_an_autoencoder_learns_a_curve_that_pca_cannot():
    t = np.random.default_rng(0).uniform(-2, 2, (1000, 1)).astype(np.float32)
    x = np.concatenate([np.cos(t), np.sin(t)], axis=1)
    made = Autoencoder.create(2, 1, key=jr.key(0)).trained(x, 300, 64, seed=0)
    back = jax.vmap(made)(x)
    assert np.sqrt(np.mean((back - x) ** 2)) < 0.05 < 0.2 < pca_rmse(x, x, 1)


def test_an_autoencoder_has_the_updates_of_phase_1_but_not_few():
    at = lambda epochs: make_settings("default", TINY | {"phase1_epochs": epochs})
    assert updates_of(at(2), 100) == (500, 32)
    assert updates_of(at(400), 100) == (1200, 32)
    assert updates_of(at(400), 10) == (500, 10)
