"""What a forecast is held against, in the order of its tables."""

from gyrax.evaluation.baselines.flat_twin import FlatTwin as FlatTwin
from gyrax.evaluation.baselines.linear import Ridge as Ridge
from gyrax.evaluation.baselines.linear import constant_velocity as constant_velocity
from gyrax.evaluation.baselines.linear import persistence as persistence
from gyrax.evaluation.baselines.networks import GruForecaster as GruForecaster
from gyrax.evaluation.baselines.networks import MlpForecaster as MlpForecaster
from gyrax.evaluation.baselines.windows import WindowBatch as WindowBatch
