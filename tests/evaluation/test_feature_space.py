"""Features in the place of latents: flat space to rounding, and the loss of its networks."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from gyrax.evaluation.baselines.tangent import distances, exp_origin, log_origin
from gyrax.evaluation.feature_space import FEATURE_CURVATURE

ULP = np.finfo(np.float32).eps


def test_features_are_points_of_flat_space_to_rounding():
    """Also 30 standard deviations from the mean in each of a thousand features at once."""
    size = 30.0 * jr.uniform(jr.key(0), (200, 1))
    x, y = size * jnp.sign(jr.normal(jr.key(1), (2, 200, 1000)))
    close = x + 0.01 * jr.normal(jr.key(2), x.shape)
    for function in (exp_origin, log_origin):
        np.testing.assert_allclose(function(x, FEATURE_CURVATURE), x, rtol=2 * ULP)
    for other in (y, close):
        true = 2 * np.linalg.norm(np.float64(x) - np.float64(other), axis=-1)
        np.testing.assert_allclose(distances(x, other, FEATURE_CURVATURE), true, rtol=20 * ULP)
