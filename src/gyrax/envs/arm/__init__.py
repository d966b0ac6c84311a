from gyrax.envs.arm.simulator import FPS as FPS
from gyrax.envs.arm.simulator import MAX_CUBES as MAX_CUBES
from gyrax.envs.arm.simulator import ROBOT as ROBOT
from gyrax.envs.arm.simulator import features as features
from gyrax.envs.arm.simulator import simulate_episodes as simulate_episodes
from gyrax.envs.arm.simulator import write_simulated as write_simulated
