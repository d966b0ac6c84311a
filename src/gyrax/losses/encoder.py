"""The encoder losses, pure functions of a batch (docs/model.md, section 11).

Chart weights `w` are rows on the simplex; `z` and codes are points of the ball of curvature −c.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax.fields.jump_operator import FoldedJumpOperator
from gyrax.geometry import (
    conformal_factor,
    distance,
    log_map,
    mobius_add,
    safe_norm,
    squared_distance,
)

Weights = Float[Array, "B K"]
Points = Float[Array, "B D"]
Codebook = Float[Array, "K N D"]
Loss = Float[Array, ""]

TINY = 1e-12


def _entropy(w: Float[Array, "*b K"]) -> Float[Array, "*b"]:
    return -jnp.sum(w * jnp.log(w + TINY), axis=-1)


def reconstruction(x: Float[Array, "B F"], decoded: Float[Array, "B F"]) -> Loss:
    """Mean squared error of the decoded features."""
    return jnp.mean((x - decoded) ** 2)


def vector_quantisation(residual: Float[Array, " B"]) -> Loss:
    """Codebook plus ¼ commitment: the mean over the batch of the encoder's own terms."""
    return jnp.mean(residual)


def routing_entropy(w: Weights) -> Loss:
    """Mean H(w); minimised, so that assignments get sharp."""
    return jnp.mean(_entropy(w))


def consistency(w: Weights, decoder_w: Weights) -> Loss:
    """Mean KL(w_enc ‖ w_dec)."""
    return jnp.mean(jnp.sum(w * (jnp.log(w + TINY) - jnp.log(decoder_w + TINY)), axis=-1))


def diversity(w: Weights) -> Loss:
    """log K − H(mean w): zero when all charts are used alike."""
    return jnp.log(w.shape[-1]) - _entropy(jnp.mean(w, axis=0))


def uniformity(z: Points, c: float = 1.0) -> Loss:
    """mean_i log mean_{j≠i} exp(−τ_i d_ij) with τ_i = √D/λ_i: low when points spread out."""
    count, dim = z.shape
    tau = dim**0.5 / conformal_factor(z, c)
    exponent = -tau[:, None] * distance(z[:, None], z[None], c)
    others = ~jnp.eye(count, dtype=bool)
    total = jax.nn.logsumexp(exponent, axis=-1, where=others)
    return jnp.mean(total - jnp.log(max(count - 1, 1)))


def radial_calibration(z: Points, w: Weights, c: float = 1.0) -> Loss:
    """mean (√c‖z‖ − H(w)/log K)²: undecided points belong near the boundary."""
    uncertainty = _entropy(w) / jnp.log(w.shape[-1])
    return jnp.mean((c**0.5 * safe_norm(z) - uncertainty) ** 2)


def codebook_spread(codes: Codebook, c: float = 1.0) -> Loss:
    """Mean hinge relu(1 − d) over pairs of different codes of a chart."""
    size = codes.shape[1]
    pairwise = distance(codes[:, :, None], codes[:, None], c)
    hinge = jnp.where(jnp.eye(size, dtype=bool), 0.0, jax.nn.relu(1.0 - pairwise))
    return jnp.sum(hinge) / (codes.shape[0] * max(size * (size - 1), 1))


def codebook_centering(codes: Codebook, c: float = 1.0) -> Loss:
    """Mean over charts of ‖mean log₀ code‖²."""
    tangent = log_map(jnp.zeros_like(codes), codes, c)
    return jnp.mean(jnp.sum(jnp.mean(tangent, axis=1) ** 2, axis=-1))


def chart_collapse(w: Weights) -> Loss:
    """Largest mean weight of a chart, less 1/K."""
    return jnp.max(jnp.mean(w, axis=0)) - 1.0 / w.shape[-1]


def code_collapse(local: Points, codes: Codebook, w: Weights, c: float = 1.0) -> Loss:
    """Largest share of a code number in the soft assignment softmax(−d²) under `w`, less 1/N."""
    square = squared_distance(local[:, None, None], codes[None], c)
    usage = jnp.einsum("bk,bkn->n", w, jax.nn.softmax(-square, axis=-1)) / w.shape[0]
    return jnp.max(usage) - 1.0 / codes.shape[1]


def window(w: Weights, epsilon: float = 0.1) -> Loss:
    """relu(ε − I(X; K))², with I(X; K) = H(mean w) − mean H(w) in nats."""
    information = _entropy(jnp.mean(w, axis=0)) - jnp.mean(_entropy(w))
    return jax.nn.relu(epsilon - information) ** 2


def jump_consistency(
    coordinates: Float[Array, "B K D"], w: Weights, operator: FoldedJumpOperator, c: float = 1.0
) -> Loss:
    """d(J_{i→j} zᵢ, zⱼ)², averaged over the batch by wᵢwⱼ and then over ordered pairs of charts.

    Translating by −c_j changes no distance: d(J_{i→j} zᵢ, zⱼ) = d(RᵢᵀRⱼ((−cᵢ) ⊕ zᵢ), (−cⱼ) ⊕ zⱼ).
    """
    charts = w.shape[-1]
    local = mobius_add(-operator.center, coordinates, c)
    # The source chart first: then the product is one matrix product a chart, without a transpose.
    turned = jnp.einsum("ijab,inb->inja", operator.rotation, jnp.swapaxes(local, 0, 1))
    square = squared_distance(turned, local, c)
    weight = w.T[:, :, None] * w
    mean = jnp.sum(weight * square, axis=1) / (jnp.sum(weight, axis=1) + TINY)
    others = ~np.eye(charts, dtype=bool)
    return jnp.sum(mean, where=others) / (charts * (charts - 1))
