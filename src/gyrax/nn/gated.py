"""The norm-gated activation: it scales bundles of features, and so commutes with their rotations."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax.geometry import safe_norm


class NormGatedGELU(eqx.Module):
    """Per bundle of features x: x · gelu(‖x‖ + b), with one learned b a bundle.

    **Fields:** `bias`, shape `(bundles,)`.
    """

    bias: Float[Array, " bundles"]

    def __init__(self, width: int, bundle: int):
        """`width` features in bundles of `bundle`; `ValueError` where it does not divide."""
        if width % bundle:
            raise ValueError(f"width {width} is not a multiple of the bundle size {bundle}.")
        self.bias = jnp.zeros(width // bundle)

    def gates(self, norms: Float[Array, "*stack bundles"]) -> Float[Array, "*stack bundles"]:
        """What multiplies bundles of the given norms."""
        return jax.nn.gelu(norms + self.bias)

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, " width"]:
        """Gate one feature vector."""
        bundles = x.reshape(self.bias.shape[0], -1)
        return (bundles * self.gates(safe_norm(bundles))[:, None]).reshape(x.shape)
