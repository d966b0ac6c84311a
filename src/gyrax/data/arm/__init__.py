from gyrax.data.arm.simulator import FEATURES as FEATURES
from gyrax.data.arm.simulator import FPS as FPS
from gyrax.data.arm.simulator import ROBOT as ROBOT
from gyrax.data.arm.simulator import simulate_episodes as simulate_episodes
from gyrax.data.arm.simulator import write_simulated as write_simulated
