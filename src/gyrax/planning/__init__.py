from gyrax.planning.agent import Agent as Agent
from gyrax.planning.settings import PlanSettings as PlanSettings
