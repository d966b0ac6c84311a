"""Settings into freshly initialised modules."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.random as jr

from gyrax._types import PRNGKey
from gyrax.atlas import Decoder, Encoder
from gyrax.atlas.centers import spread_centers
from gyrax.dynamics import solver_by_name
from gyrax.fields import (
    CovariantChartTarget,
    CovariantControl,
    CovariantCurl,
    CovariantJumpRate,
    CovariantMomentumInit,
    CovariantPotential,
    FactorizedJumpOperator,
    ServoForce,
)
from gyrax.losses.total import REACH
from gyrax.model import Fields, System, TimeToGo, WorldModel
from gyrax.nn import ActionTokenizer, ChartTokenizer, Coefficient
from gyrax.training.settings import Settings


def build_system(settings: Settings, features: int, *, key: PRNGKey) -> System:
    """A freshly initialised system for feature vectors of width `features`."""
    centers_key, encoder, decoder, world = jr.split(key, 4)
    sizes, c = settings.encoder, settings.encoder.curvature
    centers = spread_centers(sizes.num_charts, sizes.latent_dim, c=c, key=centers_key)
    hidden, linear = sizes.hidden_dim, sizes.linear
    return System(
        Encoder.create(
            features,
            hidden,
            centers,
            sizes.codes_per_chart,
            linear=linear,
            waves=sizes.waves,
            whole=sizes.whole,
            c=c,
            key=encoder,
        ),
        Decoder.create(
            features, hidden, centers, plain=sizes.plain_decoder, exact=linear, c=c, key=decoder
        ),
        build_world_model(settings, centers, key=world),
        TimeToGo.create() if settings.weights[REACH] > 0 else None,
    )


def build_world_model(settings: Settings, centers: jax.Array, *, key: PRNGKey) -> WorldModel:
    """A freshly initialised world model over charts that start at `centers`."""
    motion, c = settings.integration, settings.encoder.curvature
    friction, temperature = (
        Coefficient.learned(value) if learned else Coefficient.fixed(value)
        for value, learned in (
            (motion.friction, motion.learn_friction),
            (motion.temperature, motion.learn_temperature),
        )
    )
    return WorldModel(
        fields=_fields(settings, centers, iter(jr.split(key, 13))),
        friction=friction,
        temperature=temperature,
        servo=_servo(settings, jr.fold_in(key, 1)),
        solver=solver_by_name(motion.solver),
        dt=motion.dt,
        substeps=motion.substeps,
        beta=motion.beta,
        use_potential=motion.use_potential,
        use_control=motion.use_control,
        use_boris=motion.use_boris,
        use_jump=motion.use_jump,
        c=c,
    )


def _fields(settings: Settings, centers: jax.Array, keys: Iterator[PRNGKey]) -> Fields:
    """The seven fields, their output heads scaled down by `output_init`."""
    motion, model = settings.integration, settings.world_model
    dim, width, c = settings.encoder.latent_dim, model.d_model, settings.encoder.curvature
    feature_scale = dim**0.5 if model.unit_features else 1.0

    def actions() -> ActionTokenizer:
        count, scale = settings.data.action_width, model.token_init
        return ActionTokenizer.create(count, width, scale=scale, key=next(keys))

    def charts(scale: float, *, gated: bool) -> ChartTokenizer:
        return ChartTokenizer.create(centers, width, scale=scale, gated=gated, c=c, key=next(keys))

    common = charts(model.token_init, gated=model.gate_charts)
    potential = CovariantPotential.create(
        common,
        dim,
        width,
        alpha=motion.alpha,
        gamma_risk=motion.gamma_risk,
        force=motion.force,  # pyright: ignore[reportArgumentType]
        orthonormal=model.orthonormal,
        c=c,
        key=next(keys),
    )
    tokens = actions(), charts(model.token_init, gated=model.gate_charts)
    control = CovariantControl.create(
        *tokens, dim, width, orthonormal=model.orthonormal, c=c, key=next(keys)
    )
    curl = CovariantCurl.create(actions(), dim, width, c=c, key=next(keys))
    target = CovariantChartTarget.create(
        centers,
        actions(),
        scale=feature_scale,
        linear=model.linear_charts,
        c=c,
        key=next(keys),
    )
    # A rate that cannot tell which chart the agent is in cannot tell whether it is leaving it.
    own = charts(model.jump_token_init, gated=True)
    rate = CovariantJumpRate.create(
        own, dim, width, offset=model.jump_offset, scale=feature_scale, c=c, key=next(keys)
    )
    momentum = CovariantMomentumInit.create(dim, orthonormal=model.orthonormal, c=c, key=next(keys))
    operator = FactorizedJumpOperator.create(centers, c=c, key=next(keys))
    fields = Fields(potential, control, curl, target, rate, momentum, operator)
    return eqx.tree_at(_outputs, fields, replace_fn=lambda w: model.output_init * w)


def _outputs(fields: Any) -> list:
    """Raw weights of the heads that move the state."""
    potential = fields.potential
    layers = (
        potential.critic_force,
        potential.critic_value,
        potential.risk_force,
        potential.risk_value,
        fields.control.head,
        fields.curl.head,
        fields.momentum_init.linear,
    )
    return [layer.weight for layer in layers]


def _servo(settings: Settings, key: PRNGKey) -> ServoForce | None:
    model = settings.world_model
    if not model.servo:
        return None
    return ServoForce.create(
        settings.encoder.latent_dim,
        settings.data.action_width,
        model.servo,
        model.memory,
        c=settings.encoder.curvature,
        key=key,
    )
