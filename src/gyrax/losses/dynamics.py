"""The dynamics losses, pure functions of a batch of rollouts (docs/model.md, section 11).

`mask` is one where a frame is data and zero where its window is padded past the end of an episode.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gyrax.dynamics import bernoulli_log_likelihood
from gyrax.geometry import distance

Frames = Float[Array, "B H"]
Points = Float[Array, "B H D"]
Loss = Float[Array, ""]


def _mean(values: Frames, mask: Frames | None) -> Loss:
    if mask is None:
        return jnp.mean(values)
    return jnp.sum(values * mask) / jnp.maximum(jnp.sum(mask), 1.0)


def geodesic(predicted: Points, target: Points, mask: Frames | None = None, c: float = 1.0) -> Loss:
    """Mean geodesic distance d(ẑ, z*)."""
    return _mean(distance(predicted, target, c), mask)


def feature(
    predicted: Float[Array, "B H F"], observed: Float[Array, "B H F"], mask: Frames | None = None
) -> Loss:
    """Mean squared error of decoded features."""
    return _mean(jnp.mean((predicted - observed) ** 2, axis=-1), mask)


def chart_transition(
    logits: Float[Array, "B H K"], target: Int[Array, "B H"], mask: Frames | None = None
) -> Loss:
    """Cross-entropy of the chart logits against the encoder's charts."""
    log_p = jax.nn.log_softmax(logits, axis=-1)
    return _mean(-jnp.take_along_axis(log_p, target[..., None], axis=-1)[..., 0], mask)


def momentum_regularisation(kinetic: Frames, mask: Frames | None = None) -> Loss:
    """Mean metric kinetic energy ½λ⁻²‖p‖²."""
    return _mean(kinetic, mask)


def energy_conservation(energy: Frames, mask: Frames | None = None) -> Loss:
    """Mean over the batch of Var_t H, the variance with divisor n − 1."""
    weight = jnp.ones_like(energy) if mask is None else mask
    count = jnp.sum(weight, axis=-1)
    mean = jnp.sum(energy * weight, axis=-1) / jnp.maximum(count, 1.0)
    square = jnp.sum(weight * (energy - mean[:, None]) ** 2, axis=-1)
    variance = square / jnp.maximum(count - 1.0, 1.0)
    counted = (count > 1.0).astype(energy.dtype)
    return jnp.sum(variance * counted) / jnp.maximum(jnp.sum(counted), 1.0)


def jump_sparsity(rates: Frames, mask: Frames | None = None) -> Loss:
    """Mean |λ_jump|: jumps should be rare."""
    return _mean(jnp.abs(rates), mask)


def energy_score(
    samples: Float[Array, "S B H D"], target: Points, mask: Frames | None = None, c: float = 1.0
) -> Loss:
    """Mean energy score of S ≥ 2 sampled rollouts in geodesic distance; see [`energy_scores`][]."""
    return _mean(energy_scores(samples, target, c), mask)


def energy_scores(
    samples: Float[Array, "S *batch D"], target: Float[Array, "*batch D"], c: float = 1.0
) -> Float[Array, "*batch"]:
    """E d(X, y) − ½ E d(X, X′), both means over distinct samples, so that it is unbiased for any S.

    A strictly proper score: least when samples are drawn from the law of `target`. Hyperbolic space
    is of strong negative type (Lyons 2014), as the score needs. Source: Gneiting and Raftery 2007.
    """
    count = samples.shape[0]
    to_target = jnp.mean(distance(samples, target[None], c), axis=0)
    # Every pair of distinct samples, by shifting them against each other.
    shifted = lambda by: jnp.mean(distance(samples, jnp.roll(samples, by, axis=0), c), axis=0)
    spread = jnp.mean(jax.lax.map(shifted, jnp.arange(1, count)), axis=0)
    return to_target - 0.5 * spread


def jump_surprise(hazards: Frames, events: Float[Array, "B H"], mask: Frames | None = None) -> Loss:
    """Minus the mean log-likelihood of which frames change charts, at hazards λ · frame time.

    The only loss that ever raises the jump rate (docs/model.md, section 5). The rate is exponentially
    small in the network's output, so it can underflow in a frame whose chart changes. Hazards are
    therefore at least the smallest normal number: such a frame costs 87 in float32, not infinity.
    """
    floored = jnp.maximum(hazards, jnp.finfo(hazards.dtype).tiny)
    each = jax.vmap(jax.vmap(bernoulli_log_likelihood))(floored, events)
    return _mean(-each, mask)
