"""The world model and its rollout, windows of latents, and what forecasts them."""

from gyrax.model.fields import Fields as Fields
from gyrax.model.forecaster import AbstractForecaster as AbstractForecaster
from gyrax.model.system import System as System
from gyrax.model.time_to_go import TimeToGo as TimeToGo
from gyrax.model.trajectory import Rollout as Rollout
from gyrax.model.trajectory import Trajectory as Trajectory
from gyrax.model.window import Window as Window
from gyrax.model.world_model import WorldModel as WorldModel
