"""The named losses: each name and purpose stands here once, and nowhere else.

A weight's flag is `--w-NAME`, its values are in the presets. Encoder losses are made of an encoded batch
of frames, dynamics losses of a batch of rollouts beside what the encoder says happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gyrax.atlas import Encoding
from gyrax.fields.jump_operator import FoldedJumpOperator
from gyrax.losses import dynamics, encoder
from gyrax.losses.reach import Later, reach
from gyrax.model.system import System
from gyrax.model.time_to_go import TimeToGo
from gyrax.model.trajectory import Rollout, Trajectory
from gyrax.model.window import Window

Losses = dict[str, Float[Array, ""]]


class EncoderBatch(NamedTuple):
    """An encoded and decoded batch of frames; with the scale of time and a `later` frame of each where the
    loss that needs them has a weight."""

    x: Float[Array, "B F"]
    encoding: Encoding
    decoded: Float[Array, "B F"]
    decoder_weights: Float[Array, "B K"]
    codes: Float[Array, "K N D"]
    jump_operator: FoldedJumpOperator
    c: float
    time: TimeToGo | None = None
    later: Later | None = None


class DynamicsBatch(NamedTuple):
    """A batch of rollouts and the windows that they are held against.

    **Fields:** `rollout` and `window`, of B windows; `frame_time`, model time of a frame; `c`;
    `samples`, points of sampled rollouts of the same windows, and `features`, those decoded from the
    rollout beside the observed ones, where a loss that needs them has a weight.
    """

    rollout: Rollout
    window: Window
    frame_time: float
    c: float
    samples: Float[Array, "S B H D"] | None = None
    features: tuple[Float[Array, "B H F"], Float[Array, "B H F"]] | None = None

    @property
    def trajectory(self) -> Trajectory:
        """The rollouts' own trajectories, of forecasters that have them."""
        assert self.rollout.trajectory is not None
        return self.rollout.trajectory

    @property
    def chart(self) -> Int[Array, "B H"]:
        """The data's charts of the frames that are forecast."""
        return self.window.chart[:, 1:]

    @property
    def chart_changes(self) -> Float[Array, "B H"]:
        """One where the data's chart differs from the frame before."""
        return (self.chart != self.window.chart[:, :-1]).astype(self.window.mask.dtype)


@dataclass(frozen=True)
class Term:
    """One named loss; its weights stand in the presets. `needs`: what of a batch it is made of."""

    name: str
    purpose: str
    function: Callable[[Any], Float[Array, ""]]
    needs: Literal["points", "trajectory", "samples", "features", "later"] = "points"


ENCODER: tuple[Term, ...] = (
    Term("recon", "Feature reconstruction (MSE)",
         lambda b: encoder.reconstruction(b.x, b.decoded)),
    Term("vq", "VQ codebook and commitment",
         lambda b: encoder.vector_quantisation(b.encoding.vq)),
    Term("entropy", "Routing entropy: sharp chart assignments",
         lambda b: encoder.routing_entropy(b.encoding.chart_weights)),
    Term("consistency", "Encoder and decoder routing agree (KL)",
         lambda b: encoder.consistency(b.encoding.chart_weights, b.decoder_weights)),
    Term("diversity", "Not all data on one chart",
         lambda b: encoder.diversity(b.encoding.chart_weights)),
    Term("uniformity", "Embeddings spread over the ball",
         lambda b: encoder.uniformity(b.encoding.z, b.c)),
    Term("radial_cal", "Radius calibrated to routing entropy",
         lambda b: encoder.radial_calibration(b.encoding.z, b.encoding.chart_weights, b.c)),
    Term("codebook_spread", "Codes of a chart apart",
         lambda b: encoder.codebook_spread(b.codes, b.c)),
    Term("codebook_center", "Codes of a chart centred",
         lambda b: encoder.codebook_centering(b.codes, b.c)),
    Term("chart_collapse", "No dead charts",
         lambda b: encoder.chart_collapse(b.encoding.chart_weights)),
    Term("code_collapse", "No dead codes",
         lambda b: encoder.code_collapse(
             b.encoding.local, b.codes, b.encoding.chart_weights, b.c)),
    Term("window", "Mutual information of input and chart above a bound",
         lambda b: encoder.window(b.encoding.chart_weights)),
    Term("jump", "Jump operator maps charts onto each other (ramped)",
         lambda b: encoder.jump_consistency(
             b.encoding.coordinates, b.encoding.chart_weights, b.jump_operator, b.c)),
    Term("reach", "Distance is time to go (not in the document)",
         lambda b: reach(b.time, b.encoding.z, b.later, b.c), needs="later"),
)  # fmt: skip

DYNAMICS: tuple[Term, ...] = (
    Term("geodesic", "Geodesic distance to the data's latents",
         lambda b: dynamics.geodesic(b.rollout.points, b.window.target, b.window.mask, b.c)),
    Term("feature", "Features decoded from the rollout, MSE (not in the document)",
         lambda b: dynamics.feature(b.features[0], b.features[1], b.window.mask), needs="features"),
    Term("chart_transition", "Cross-entropy of the next chart",
         lambda b: dynamics.chart_transition(b.trajectory.chart_logits, b.chart, b.window.mask),
         needs="trajectory"),
    Term("momentum_reg", "Metric kinetic energy",
         lambda b: dynamics.momentum_regularisation(b.trajectory.kinetic_energy, b.window.mask),
         needs="trajectory"),
    Term("energy_conservation", "Variance of H along the rollout",
         lambda b: dynamics.energy_conservation(b.trajectory.energy, b.window.mask),
         needs="trajectory"),
    Term("jump_dynamics", "L1 on jump rates: jumps are rare",
         lambda b: dynamics.jump_sparsity(b.trajectory.jump_rates, b.window.mask),
         needs="trajectory"),
    Term("jump_likelihood", "Likelihood of observed chart changes (not in the document)",
         lambda b: dynamics.jump_surprise(
             b.frame_time * b.trajectory.jump_rates, b.chart_changes, b.window.mask),
         needs="trajectory"),
    Term("energy_score", "Energy score of two sampled rollouts (not in the document)",
         lambda b: dynamics.energy_score(b.samples, b.window.target, b.window.mask, b.c),
         needs="samples"),
)  # fmt: skip
TERMS = (*ENCODER, *DYNAMICS)

RAMPED, REACH = ENCODER[-2].name, ENCODER[-1].name
RAMP_START, RAMP_END, RAMP_FLOOR = 20, 50, 0.01


def ramp(weight: float, epoch: Int[Array, ""]) -> Float[Array, ""]:
    """The jump-consistency weight: 0 until epoch 20, then linear from 0.01 to `weight` at epoch 50."""
    progress = jnp.clip((epoch - RAMP_START) / (RAMP_END - RAMP_START), 0.0, 1.0)
    floor = min(RAMP_FLOOR, weight)
    return jnp.where(epoch < RAMP_START, 0.0, floor + progress * (weight - floor))


def encoder_losses(
    system: System, x: Float[Array, "B F"], encoding: Encoding, later: Later | None = None
) -> Losses:
    """The encoder losses of a batch of frames, shape `(B, F)`, that `system` encoded as `encoding`; of time
    to go where a `later` frame of each is given. A number for each name of docs/model.md, section 11."""
    decoded, decoder_weights = jax.vmap(system.decoder)(encoding.z, encoding.texture)
    operator = system.world_model.fields.jump_operator.fold()
    codes = system.encoder.codebook.codes
    made = x, encoding, decoded, decoder_weights, codes, operator
    batch = EncoderBatch(*made, system.encoder.c, system.time_to_go, later)
    there = {"points"} | ({"later"} if later is not None else set())
    return {term.name: term.function(batch) for term in ENCODER if term.needs in there}


def dynamics_losses(batch: DynamicsBatch) -> Losses:
    """The dynamics losses of a batch of rollouts, points of shape `(B, H, D)`, that what is in it allows. A
    number for each name of docs/model.md, section 11."""
    there = {"points"}
    there |= {"trajectory"} if batch.rollout.trajectory is not None else set()
    there |= {name for name in ("samples", "features") if getattr(batch, name) is not None}
    return {term.name: term.function(batch) for term in DYNAMICS if term.needs in there}


def total(losses: Losses, weights: Mapping[str, Any]) -> Float[Array, ""]:
    """The weighted sum. The names of losses and weights must agree.

    A loss whose weight is the number zero is reported and takes no part, nor time in the gradient.
    """
    missing = set(losses) - set(weights)
    assert not missing, f"losses without a weight: {sorted(missing)}"
    takes_part = lambda weight: isinstance(weight, jax.Array) or weight != 0
    used = (weights[name] * value for name, value in losses.items() if takes_part(weights[name]))
    return sum(used, jnp.zeros(()))
