from gyrax.envs.arm.columns import features as features
from gyrax.envs.arm.motions import FPS as FPS
from gyrax.envs.arm.simulator import simulate_episodes as simulate_episodes
from gyrax.envs.arm.simulator import write_simulated as write_simulated
from gyrax.envs.arm.world import MAX_CUBES as MAX_CUBES
