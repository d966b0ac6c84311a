"""The world model and its rollout."""

from gyrax.model.world_model import Trajectory as Trajectory
from gyrax.model.world_model import WorldModel as WorldModel
