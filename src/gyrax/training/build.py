"""A configuration into modules."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
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
from gyrax.model.system import System
from gyrax.model.world_model import WorldModel, softplus_inverse
from gyrax.nn import ActionTokenizer, ChartTokenizer, Frozen
from gyrax.training.settings import TrainConfig


def build_system(config: TrainConfig, features: int, *, key: PRNGKey) -> System:
    """A freshly initialised system for feature vectors of width `features`."""
    centers_key, encoder, decoder, world = jr.split(key, 4)
    c = config.curvature
    centers = spread_centers(config.num_charts, config.latent_dim, c=c, key=centers_key)
    hidden = config.hidden_dim
    return System(
        Encoder.create(features, hidden, centers, config.codes_per_chart, c=c, key=encoder),
        Decoder.create(features, hidden, centers, c=c, key=decoder),
        build_world_model(config, centers, key=world),
    )


def build_world_model(config: TrainConfig, centers: jax.Array, *, key: PRNGKey) -> WorldModel:
    """A freshly initialised world model over charts that start at `centers`."""
    keys = iter(jr.split(key, 13))
    servo_key = jr.fold_in(key, 1)
    dim, width, c = config.latent_dim, config.wm_d_model, config.curvature

    def actions() -> ActionTokenizer:
        return _action_tokens(config, key=next(keys))

    def charts() -> ChartTokenizer:
        gated, scale = config.wm_gate_charts, config.wm_token_init
        return ChartTokenizer.create(centers, width, scale=scale, gated=gated, c=c, key=next(keys))

    orthonormal = config.wm_orthonormal
    model = WorldModel(
        CovariantPotential.create(
            charts(),
            dim,
            width,
            alpha=config.wm_alpha_potential,
            gamma_risk=config.wm_gamma_risk,
            force=config.wm_force,  # pyright: ignore[reportArgumentType]
            orthonormal=orthonormal,
            c=c,
            key=next(keys),
        ),
        CovariantControl.create(
            actions(), charts(), dim, width, orthonormal=orthonormal, c=c, key=next(keys)
        ),
        CovariantCurl.create(actions(), dim, width, c=c, key=next(keys)),
        _chart_target(config, centers, keys),
        _jump_rate(config, centers, keys),
        CovariantMomentumInit.create(dim, orthonormal=orthonormal, c=c, key=next(keys)),
        FactorizedJumpOperator.create(centers, c=c, key=next(keys)),
        _friction(config),
        solver_by_name(config.solver),
        config.wm_dt,
        config.wm_substeps,
        config.wm_T_c,
        config.wm_beta_curl,
        config.wm_use_boris,
        config.wm_use_jump,
        c,
        softplus_inverse(jnp.asarray(config.wm_T_c, float))
        if config.wm_learn_temperature
        else None,
        _servo(config, servo_key),
    )
    return eqx.tree_at(_outputs, model, replace_fn=lambda w: config.wm_output_init * w)


def _outputs(model: Any) -> list:
    """Raw weights of the heads that move the state."""
    potential = model.potential
    layers = (
        potential.critic_force,
        potential.critic_value,
        potential.risk_force,
        potential.risk_value,
        model.control.head,
        model.curl.head,
        model.momentum_init.linear,
    )
    return [layer.weight for layer in layers]


def _action_tokens(config: TrainConfig, *, key: PRNGKey) -> ActionTokenizer:
    return ActionTokenizer.create(
        config.action_width, config.wm_d_model, scale=config.wm_token_init, key=key
    )


def _feature_scale(config: TrainConfig) -> float:
    """What chart logits and jump rate multiply z with."""
    return config.latent_dim**0.5 if config.wm_unit_features else 1.0


def _chart_target(
    config: TrainConfig, centers: jax.Array, keys: Iterator[PRNGKey]
) -> CovariantChartTarget:
    return CovariantChartTarget.create(
        centers,
        _action_tokens(config, key=next(keys)),
        scale=_feature_scale(config),
        linear=config.wm_linear_charts,
        c=config.curvature,
        key=next(keys),
    )


def _jump_rate(
    config: TrainConfig, centers: jax.Array, keys: Iterator[PRNGKey]
) -> CovariantJumpRate:
    width, c = config.wm_d_model, config.curvature
    # A rate that cannot tell which chart the agent is in cannot tell whether it is leaving it.
    charts = ChartTokenizer.create(
        centers, width, scale=config.wm_jump_token_init, gated=True, c=c, key=next(keys)
    )
    return CovariantJumpRate.create(
        charts,
        config.latent_dim,
        width,
        offset=config.wm_jump_offset,
        scale=_feature_scale(config),
        c=c,
        key=next(keys),
    )


def _servo(config: TrainConfig, key: PRNGKey) -> ServoForce | None:
    if not config.wm_servo:
        return None
    return ServoForce.create(
        config.latent_dim,
        config.action_width,
        config.wm_servo,
        config.wm_memory,
        c=config.curvature,
        key=key,
    )


def _friction(config: TrainConfig) -> jax.Array | Frozen:
    if config.wm_learn_friction:
        return softplus_inverse(jnp.asarray(config.wm_gamma_friction, float))
    return Frozen(jnp.asarray(config.wm_gamma_friction, float))
