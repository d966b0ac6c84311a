"""Covariant fields: the seven learned components of the world model and their building blocks."""

from gyrax.fields.attention import CovariantAttention as CovariantAttention
from gyrax.fields.chart_target import CovariantChartTarget as CovariantChartTarget
from gyrax.fields.control import CovariantControl as CovariantControl
from gyrax.fields.curl import CovariantCurl as CovariantCurl
from gyrax.fields.jump_operator import FactorizedJumpOperator as FactorizedJumpOperator
from gyrax.fields.jump_rate import CovariantJumpRate as CovariantJumpRate
from gyrax.fields.linear import Frozen as Frozen
from gyrax.fields.linear import SpectralLinear as SpectralLinear
from gyrax.fields.momentum_init import CovariantMomentumInit as CovariantMomentumInit
from gyrax.fields.potential import CovariantPotential as CovariantPotential
from gyrax.fields.servo import ServoForce as ServoForce
from gyrax.fields.tokenizers import ActionTokenizer as ActionTokenizer
from gyrax.fields.tokenizers import ChartTokenizer as ChartTokenizer
