"""Checkpoints of the document's PyTorch implementation, as arrays, into gyrax modules."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from gyrax._errors import InputError
from gyrax.dynamics import solver_by_name
from gyrax.fields import (
    CovariantChartTarget,
    CovariantControl,
    CovariantCurl,
    CovariantJumpRate,
    CovariantMomentumInit,
    CovariantPotential,
    FactorizedJumpOperator,
)
from gyrax.model.fields import Fields
from gyrax.model.world_model import WorldModel
from gyrax.nn import (
    ActionTokenizer,
    ChartTokenizer,
    Coefficient,
    CovariantAttention,
    SpectralLinear,
)
from gyrax.nn.attention import ChristoffelQuery


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

    def potential(self, alpha: float, gamma_risk: float) -> CovariantPotential:
        return CovariantPotential(
            self.charts("potential_net.chart_tok"),
            self.spectral("potential_net.z_embed"),
            self.attention("potential_net.v_critic_attn"),
            self.spectral("potential_net.v_force_out"),
            self.spectral("potential_net.v_out"),
            self.attention("potential_net.psi_risk_attn"),
            self.spectral("potential_net.psi_force_out"),
            self.spectral("potential_net.psi_out"),
            alpha,
            gamma_risk,
            force="direct",
            orthonormal=False,
            c=1.0,
        )

    def control(self) -> CovariantControl:
        return CovariantControl(
            self.actions("control_net.action_tok"),
            self.charts("control_net.chart_tok"),
            self.spectral("control_net.z_embed"),
            self.attention("control_net.attn"),
            self.spectral("control_net.out"),
            orthonormal=False,
            c=1.0,
        )

    def curl(self) -> CovariantCurl:
        return CovariantCurl(
            self.actions("curl_net.action_tok"),
            self.spectral("curl_net.z_embed"),
            self.attention("curl_net.attn"),
            self.spectral("curl_net.out"),
            c=1.0,
        )

    def chart_target(self) -> CovariantChartTarget:
        return CovariantChartTarget(
            self("chart_predictor.chart_centers", 2),
            self("chart_predictor.q_gamma", 3),
            self.actions("chart_predictor.action_tok"),
            self.spectral("chart_predictor.action_proj"),
            c=1.0,
        )

    def jump_rate(self) -> CovariantJumpRate:
        return CovariantJumpRate(
            self.charts("jump_rate_net.chart_tok"),
            self.spectral("jump_rate_net.z_embed"),
            self.attention("jump_rate_net.attn"),
            self.spectral("jump_rate_net.out"),
            offset=jnp.zeros(()),
            c=1.0,
        )

    def jump_operator(self) -> FactorizedJumpOperator:
        return FactorizedJumpOperator(
            self("jump_operator.chart_centers", 2), self("jump_operator.rotations", 3)
        )


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
    """The document's world model with the given parameters; sizes are read off the arrays.

    **Arguments:** `arrays`, by module path as a PyTorch `state_dict` names them, linear weights
    `(out, in)`, spectral-normalised ones raw; the rest are the document's hyperparameters with
    its defaults.

    **Raises:** `InputError` naming a missing or misshapen array.
    """
    read = _Reader(arrays)
    fields = Fields(
        potential=read.potential(alpha, gamma_risk),
        control=read.control(),
        curl=read.curl(),
        chart_target=read.chart_target(),
        jump_rate=read.jump_rate(),
        momentum_init=CovariantMomentumInit(
            read.spectral("momentum_init.net"), orthonormal=False, c=1.0
        ),
        jump_operator=read.jump_operator(),
    )
    return WorldModel(
        fields=fields,
        friction=Coefficient.fixed(friction),
        temperature=Coefficient.fixed(temperature),
        servo=None,
        solver=solver_by_name(solver),
        dt=dt,
        substeps=substeps,
        beta=beta,
        use_potential=True,
        use_control=True,
        use_boris=use_boris,
        use_jump=use_jump,
        c=1.0,
    )
