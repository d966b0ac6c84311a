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
    """The seven fields of a world model, each called on one sample: a point `z` of shape `(D,)`, chart
    weights `w` `(K,)` and an `action` `(A,)`.

    **Fields:**

    - `potential(z, w)`: a force, a covector `(D,)`, and Φ.
    - `control(z, action, w)`: a force, a covector `(D,)`.
    - `curl(z, action)`: an antisymmetric matrix `(D, D)`.
    - `chart_target(z, action)`: logits `(K,)` of the next chart.
    - `jump_rate(z, w)`: a number ≥ 0.
    - `momentum_init(z)`: a covector `(D,)`.
    - `jump_operator(z, source, target)`: a point `(D,)`.
    """

    potential: CovariantPotential
    control: CovariantControl
    curl: CovariantCurl
    chart_target: CovariantChartTarget
    jump_rate: CovariantJumpRate
    momentum_init: CovariantMomentumInit
    jump_operator: FactorizedJumpOperator
