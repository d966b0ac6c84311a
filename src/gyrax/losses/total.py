"""The named losses: each name, default weight and purpose stands here once, and nowhere else.

A weight's flag is `--w-NAME`. The context of the encoder losses is an encoded batch of frames, that
of the dynamics losses a batch of rollouts beside what the encoder says happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gyrax.atlas import Encoding
from gyrax.dynamics import kinetic_energy
from gyrax.fields.jump_operator import FoldedJumpOperator
from gyrax.losses import dynamics, encoder
from gyrax.model.system import System
from gyrax.model.world_model import Trajectory

Losses = dict[str, Float[Array, ""]]


class EncoderBatch(NamedTuple):
    """An encoded and decoded batch of frames."""

    x: Float[Array, "B F"]
    encoding: Encoding
    decoded: Float[Array, "B F"]
    decoder_weights: Float[Array, "B K"]
    codes: Float[Array, "K N D"]
    jump_operator: FoldedJumpOperator
    c: float


class DynamicsBatch(NamedTuple):
    """A batch of rollouts, the (detached) latents and charts of the data, and where there is data.

    `samples`, of the same windows, are there where a loss that needs them has a weight.
    """

    trajectory: Trajectory
    z: Float[Array, "B H D"]
    chart: Int[Array, "B H"]
    mask: Float[Array, "B H"]
    start_chart: Int[Array, " B"]
    frame_time: float
    c: float
    samples: Float[Array, "S B H D"] | None = None

    @property
    def chart_changes(self) -> Float[Array, "B H"]:
        """One where the data's chart differs from the frame before."""
        before = jnp.concatenate([self.start_chart[:, None], self.chart[:, :-1]], axis=1)
        return (self.chart != before).astype(self.mask.dtype)

    @property
    def energy(self) -> Float[Array, "B H"]:
        """H = Φ + ½λ⁻²‖p‖² along the rollouts."""
        t = self.trajectory
        return t.effective_potential + kinetic_energy(t.positions, t.momenta, self.c)


@dataclass(frozen=True)
class Term:
    """One named loss: `weight` is the specification's, `ours` the default preset's where it differs."""

    name: str
    weight: float
    purpose: str
    function: Callable[[Any], Float[Array, ""]]
    needs_samples: bool = False
    ours: float | None = None


ENCODER: tuple[Term, ...] = (
    Term("recon", 1.0, "Feature reconstruction (MSE)",
         lambda b: encoder.reconstruction(b.x, b.decoded)),
    Term("vq", 1.0, "VQ codebook and commitment",
         lambda b: encoder.vector_quantisation(b.encoding.vq)),
    Term("entropy", 0.1, "Routing entropy: sharp chart assignments",
         lambda b: encoder.routing_entropy(b.encoding.chart_weights)),
    Term("consistency", 0.1, "Encoder and decoder routing agree (KL)",
         lambda b: encoder.consistency(b.encoding.chart_weights, b.decoder_weights)),
    Term("diversity", 0.1, "Not all data on one chart",
         lambda b: encoder.diversity(b.encoding.chart_weights)),
    Term("uniformity", 0.1, "Embeddings spread over the ball",
         lambda b: encoder.uniformity(b.encoding.z, b.c)),
    Term("radial_cal", 0.1, "Radius calibrated to routing entropy",
         lambda b: encoder.radial_calibration(b.encoding.z, b.encoding.chart_weights, b.c)),
    Term("codebook_spread", 0.05, "Codes of a chart apart",
         lambda b: encoder.codebook_spread(b.codes, b.c)),
    Term("codebook_center", 0.01, "Codes of a chart centred",
         lambda b: encoder.codebook_centering(b.codes, b.c)),
    Term("chart_collapse", 1.0, "No dead charts",
         lambda b: encoder.chart_collapse(b.encoding.chart_weights)),
    Term("code_collapse", 0.5, "No dead codes",
         lambda b: encoder.code_collapse(
             b.encoding.local, b.codes, b.encoding.chart_weights, b.c)),
    Term("window", 0.5, "Mutual information of input and chart above a bound",
         lambda b: encoder.window(b.encoding.chart_weights)),
    Term("jump", 0.1, "Jump operator maps charts onto each other (ramped)",
         lambda b: encoder.jump_consistency(
             b.encoding.coordinates, b.encoding.chart_weights, b.jump_operator, b.c)),
)  # fmt: skip

DYNAMICS: tuple[Term, ...] = (
    Term("geodesic", 1.0, "Geodesic distance to the data's latents",
         lambda b: dynamics.geodesic(b.trajectory.positions, b.z, b.mask, b.c)),
    Term("chart_transition", 0.5, "Cross-entropy of the next chart",
         lambda b: dynamics.chart_transition(b.trajectory.chart_logits, b.chart, b.mask),
         ours=0.05),  # at 0.5 its gradient takes most of what clipping leaves to the others
    Term("momentum_reg", 0.01, "Metric kinetic energy",
         lambda b: dynamics.momentum_regularisation(
             b.trajectory.positions, b.trajectory.momenta, b.mask, b.c)),
    Term("energy_conservation", 0.01, "Variance of H along the rollout",
         lambda b: dynamics.energy_conservation(b.energy, b.mask)),
    Term("jump_dynamics", 0.1, "L1 on jump rates: jumps are rare",
         lambda b: dynamics.jump_sparsity(b.trajectory.jump_rates, b.mask), ours=0.0),
    Term("jump_likelihood", 0.0, "Likelihood of observed chart changes (not in the document)",
         lambda b: dynamics.jump_surprise(
             b.frame_time * b.trajectory.jump_rates, b.chart_changes, b.mask), ours=0.05),
    Term("energy_score", 0.0, "Energy score of two sampled rollouts (not in the document)",
         lambda b: dynamics.energy_score(b.samples, b.z, b.mask, b.c), needs_samples=True),
)  # fmt: skip

RAMPED = ENCODER[-1].name
RAMP_START, RAMP_END, RAMP_FLOOR = 20, 50, 0.01


def default_weights() -> dict[str, float]:
    """Every loss and its weight in the specification (zero for those that are not in it)."""
    return {term.name: term.weight for term in (*ENCODER, *DYNAMICS)}


def our_weights() -> dict[str, float]:
    """Every loss and its weight in the default preset."""
    terms = (*ENCODER, *DYNAMICS)
    return {term.name: term.weight if term.ours is None else term.ours for term in terms}


def ramp(weight: float, epoch: Int[Array, ""]) -> Float[Array, ""]:
    """The jump-consistency weight: 0 until epoch 20, then linear from 0.01 to `weight` at epoch 50."""
    progress = jnp.clip((epoch - RAMP_START) / (RAMP_END - RAMP_START), 0.0, 1.0)
    floor = min(RAMP_FLOOR, weight)
    return jnp.where(epoch < RAMP_START, 0.0, floor + progress * (weight - floor))


def encoder_losses(system: System, x: Float[Array, "B F"], encoding: Encoding) -> Losses:
    """All encoder losses of a batch of frames that `system` encoded as `encoding`."""
    decoded, decoder_weights = jax.vmap(system.decoder)(encoding.z, encoding.texture)
    operator = system.world_model.jump_operator.fold()
    codes = system.encoder.codebook.codes
    batch = EncoderBatch(x, encoding, decoded, decoder_weights, codes, operator, system.encoder.c)
    return {term.name: term.function(batch) for term in ENCODER}


def dynamics_losses(batch: DynamicsBatch) -> Losses:
    """All dynamics losses of a batch of rollouts; those of samples only where there are samples."""
    terms = (t for t in DYNAMICS if batch.samples is not None or not t.needs_samples)
    return {term.name: term.function(batch) for term in terms}


def total(losses: Losses, weights: Mapping[str, Any]) -> Float[Array, ""]:
    """The weighted sum. The names of losses and weights must agree.

    A loss whose weight is the number zero is reported and takes no part, nor time in the gradient.
    """
    missing = set(losses) - set(weights)
    assert not missing, f"losses without a weight: {sorted(missing)}"
    takes_part = lambda weight: isinstance(weight, jax.Array) or weight != 0
    used = (weights[name] * value for name, value in losses.items() if takes_part(weights[name]))
    return sum(used, jnp.zeros(()))
