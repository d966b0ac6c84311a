"""Linear maps without bias: plain and Lipschitz-bounded."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.nn.frozen import Frozen
from gyrax.nn.initial import kaiming_uniform


def top_left_vector(weight: np.ndarray, tolerance: float = 1e-7) -> np.ndarray:
    """The left singular vector of the largest singular value, (*stack, out), on the host: power
    iteration from a random vector until σ grows by less than `tolerance` of itself in an iteration.

    A LAPACK decomposition would be exact, and seconds long where other work holds the cores.
    """
    w = weight.astype(np.float64)
    transposed = np.swapaxes(w, -1, -2)
    u = np.random.default_rng(0).standard_normal((*w.shape[:-1], 1))
    sigma = np.zeros((*w.shape[:-2], 1, 1))
    for _ in range(10_000):
        v = transposed @ (u / np.maximum(np.linalg.norm(u, axis=-2, keepdims=True), 1e-300))
        before, sigma = sigma, np.linalg.norm(v, axis=-2, keepdims=True)
        u = w @ v
        if not np.any(sigma - before > tolerance * sigma):  # as of a layer that diverged to NaN
            break
    return (u / np.maximum(np.linalg.norm(u, axis=-2, keepdims=True), 1e-300))[..., 0]


class SpectralLinear(eqx.Module):
    """y = Wx / max(σ(W), 1): a linear map that never stretches, without bias.

    σ is ‖Wᵀu‖ with a stored left singular vector `u`. Training updates it by power iteration once per
    optimiser step ([`refreshed`][]), not once per call.

    **Fields:** `weight`, raw, shape `(*stack, out, in)`; `u`, shape `(*stack, out)`.

    Source: Miyato et al. 2018, *Spectral Normalization*.
    """

    weight: Float[Array, "*stack out in"]
    u: Frozen

    def __init__(self, weight: Float[Array, "*stack out in"]):
        """Wrap a raw weight; `u` starts at its converged singular vector."""
        self.weight = weight
        self.u = Frozen(jax.device_put(top_left_vector(np.asarray(weight)).astype(weight.dtype)))

    @classmethod
    def create(cls, *shape: int, key: PRNGKey) -> "SpectralLinear":
        """A layer of weight shape `(*stack, out, in)`, drawn Kaiming-uniformly."""
        return cls(kaiming_uniform(key, shape))

    @property
    def matrix(self) -> Float[Array, "*stack out in"]:
        """The normalised weight. Unbatched under `vmap`, so computed once per batch."""
        u = jax.lax.stop_gradient(self.u.value)
        v = jnp.einsum("...oi,...o->...i", self.weight, u)
        square = jnp.sum(v * v, axis=-1)[..., None, None]
        return self.weight * jax.lax.rsqrt(jnp.maximum(square, 1.0))

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, "*stack out"]:
        """Apply to one vector (each of a stack of maps to the same one)."""
        return self.matrix @ x

    def refreshed(self, iterations: int) -> "SpectralLinear":
        """The same layer after more power iterations on `u`, unrolled."""
        u = self.u.value
        for _ in range(iterations):
            v = jnp.einsum("...oi,...o->...i", self.weight, u)
            u = jnp.einsum("...oi,...i->...o", self.weight, v)
            u = u * jax.lax.rsqrt(jnp.maximum(jnp.sum(u * u, axis=-1, keepdims=True), 1e-30))
        return eqx.tree_at(lambda layer: layer.u.value, self, u)

    def exact(self) -> "SpectralLinear":
        """The same layer with `u` the converged singular vector, computed on the host."""
        return SpectralLinear(self.weight)
