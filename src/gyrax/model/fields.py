"""The seven learned fields as one module."""

import equinox as eqx

from gyrax.fields import (
    CovariantChartTarget,
    CovariantControl,
    CovariantCurl,
    CovariantJumpRate,
    CovariantMomentumInit,
    CovariantPotential,
    FactorizedJumpOperator,
)


class Fields(eqx.Module):
    """The fields of a world model, each called on one sample: `potential(z, w) -> (force, phi)`,
    `control(z, action, w)`, `curl(z, action)`, `chart_target(z, action)`, `jump_rate(z, w)`,
    `momentum_init(z)`, `jump_operator(z, source, target)`."""

    potential: CovariantPotential
    control: CovariantControl
    curl: CovariantCurl
    chart_target: CovariantChartTarget
    jump_rate: CovariantJumpRate
    momentum_init: CovariantMomentumInit
    jump_operator: FactorizedJumpOperator
