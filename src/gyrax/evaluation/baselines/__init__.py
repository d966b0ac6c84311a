"""What a forecast is held against."""

from gyrax.evaluation.baselines.flat_twin import FlatTwin as FlatTwin
from gyrax.evaluation.baselines.linear import Ridge as Ridge
from gyrax.evaluation.baselines.linear import constant_velocity as constant_velocity
from gyrax.evaluation.baselines.linear import persistence as persistence
from gyrax.evaluation.baselines.network import Network as Network
