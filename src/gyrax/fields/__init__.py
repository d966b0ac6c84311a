"""Covariant fields: the seven learned components of the world model, and the servo force."""

from gyrax.fields.chart_target import CovariantChartTarget as CovariantChartTarget
from gyrax.fields.control import CovariantControl as CovariantControl
from gyrax.fields.curl import CovariantCurl as CovariantCurl
from gyrax.fields.jump_operator import FactorizedJumpOperator as FactorizedJumpOperator
from gyrax.fields.jump_rate import CovariantJumpRate as CovariantJumpRate
from gyrax.fields.momentum_init import CovariantMomentumInit as CovariantMomentumInit
from gyrax.fields.potential import CovariantPotential as CovariantPotential
from gyrax.fields.servo import ServoForce as ServoForce
