"""The building blocks that fields and atlas share."""

from gyrax.nn.attention import CovariantAttention as CovariantAttention
from gyrax.nn.coefficient import Coefficient as Coefficient
from gyrax.nn.frozen import Frozen as Frozen
from gyrax.nn.gated import NormGatedGELU as NormGatedGELU
from gyrax.nn.spectral import SpectralLinear as SpectralLinear
from gyrax.nn.tokenizers import ActionTokenizer as ActionTokenizer
from gyrax.nn.tokenizers import ChartTokenizer as ChartTokenizer
from gyrax.nn.waves import WaveNetwork as WaveNetwork
