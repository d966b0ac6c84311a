from gyrax.data.arm.simulator import FPS as FPS
from gyrax.data.arm.simulator import MOST_CUBES as MOST_CUBES
from gyrax.data.arm.simulator import ROBOT as ROBOT
from gyrax.data.arm.simulator import features as features
from gyrax.data.arm.simulator import simulate_episodes as simulate_episodes
from gyrax.data.arm.simulator import write_simulated as write_simulated
