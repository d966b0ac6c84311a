"""Checkpoints of the PyTorch implementation of the specification, as arrays, into gyrax modules."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from gyrax._errors import InputError
from gyrax.dynamics import solver_by_name
from gyrax.fields import (
    ActionTokenizer,
    ChartTokenizer,
    CovariantAttention,
    CovariantChartTarget,
    CovariantControl,
    CovariantCurl,
    CovariantJumpRate,
    CovariantMomentumInit,
    CovariantPotential,
    FactorizedJumpOperator,
    Frozen,
    SpectralLinear,
)
from gyrax.fields.attention import ChristoffelQuery
from gyrax.model.world_model import WorldModel


class _Reader:
    """Looks arrays up under a prefix, with a clear error for one that is missing or misshapen."""

    def __init__(self, arrays: Mapping[str, Any]):
        self.arrays = arrays

    def __call__(self, name: str, ndim: int) -> Array:
        if name not in self.arrays:
            raise InputError(
                f"world_model_from_arrays: {name!r} is missing from the arrays; expected the names "
                "of a PyTorch state_dict, such as 'potential_net.z_embed.weight', without a prefix."
            )
        array = jnp.asarray(self.arrays[name])
        if array.ndim != ndim:
            raise InputError(
                f"world_model_from_arrays: {name!r} has shape {array.shape}; "
                f"expected {ndim} dimensions."
            )
        return array

    def spectral(self, name: str) -> SpectralLinear:
        return SpectralLinear(self(f"{name}.weight", 2))

    def charts(self, name: str) -> ChartTokenizer:
        return ChartTokenizer(self(f"{name}.chart_embeddings", 2), self(f"{name}.chart_centers", 2))

    def actions(self, name: str) -> ActionTokenizer:
        return ActionTokenizer(self(f"{name}.weight", 2), self(f"{name}.pos_embed", 2))

    def attention(self, name: str) -> CovariantAttention:
        query = ChristoffelQuery(
            self(f"{name}.query.W_Q.weight", 2),
            self(f"{name}.query.W_Qz.weight", 2),
            self(f"{name}.query.W_Q_gamma", 3),
        )
        key, value, output = (self(f"{name}.{m}.weight", 2) for m in ("key", "value", "output"))
        return CovariantAttention(query, key, value, output)


def world_model_from_arrays(
    arrays: Mapping[str, Any],
    *,
    solver: str = "baoab",
    dt: float = 0.01,
    substeps: int = 1,
    friction: float = 1.0,
    temperature: float = 0.1,
    beta: float = 0.1,
    alpha: float = 0.5,
    gamma_risk: float = 0.01,
    use_boris: bool = True,
    use_jump: bool = True,
) -> WorldModel:
    """The specification's world model with the given parameters; sizes are read off the arrays.

    **Arguments:** `arrays`, by module path as a PyTorch `state_dict` names them, linear weights
    `(out, in)`, spectral-normalised ones raw; the rest are the specification's hyperparameters with
    its defaults. **Raises:** `InputError` naming a missing or misshapen array.
    """
    read = _Reader(arrays)
    potential = CovariantPotential(
        read.charts("potential_net.chart_tok"),
        read.spectral("potential_net.z_embed"),
        read.attention("potential_net.v_critic_attn"),
        read.spectral("potential_net.v_force_out"),
        read.spectral("potential_net.v_out"),
        read.attention("potential_net.psi_risk_attn"),
        read.spectral("potential_net.psi_force_out"),
        read.spectral("potential_net.psi_out"),
        alpha,
        gamma_risk,
        "direct",
        False,
        1.0,
    )
    control = CovariantControl(
        read.actions("control_net.action_tok"),
        read.charts("control_net.chart_tok"),
        read.spectral("control_net.z_embed"),
        read.attention("control_net.attn"),
        read.spectral("control_net.out"),
        False,
        1.0,
    )
    curl = CovariantCurl(
        read.actions("curl_net.action_tok"),
        read.spectral("curl_net.z_embed"),
        read.attention("curl_net.attn"),
        read.spectral("curl_net.out"),
        1.0,
    )
    chart_target = CovariantChartTarget(
        read("chart_predictor.chart_centers", 2),
        read("chart_predictor.q_gamma", 3),
        read.actions("chart_predictor.action_tok"),
        read.spectral("chart_predictor.action_proj"),
        1.0,
    )
    jump_rate = CovariantJumpRate(
        read.charts("jump_rate_net.chart_tok"),
        read.spectral("jump_rate_net.z_embed"),
        read.attention("jump_rate_net.attn"),
        read.spectral("jump_rate_net.out"),
        jnp.zeros(()),
        1.0,
    )
    return WorldModel(
        potential,
        control,
        curl,
        chart_target,
        jump_rate,
        CovariantMomentumInit(read.spectral("momentum_init.net"), False, 1.0),
        FactorizedJumpOperator(
            read("jump_operator.chart_centers", 2), read("jump_operator.rotations", 3)
        ),
        Frozen(jnp.asarray(friction, float)),
        solver_by_name(solver),
        dt,
        substeps,
        temperature,
        beta,
        use_boris,
        use_jump,
        1.0,
    )
