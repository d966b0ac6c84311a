"""Losses: pure functions, and their names and weights."""

from gyrax.losses.total import dynamics_losses as dynamics_losses
from gyrax.losses.total import encoder_losses as encoder_losses
