"""The policy that made the default data: it waves the arm, and pushes the cubes about."""

from typing import Any

import numpy as np
from jaxtyping import Float

from gyrax.envs.arm.kinematics import LOWER, UPPER
from gyrax.envs.arm.motions import PUSH, SWEEP, WAVE, next_motion
from gyrax.envs.arm.world import ArmWorld
from gyrax.envs.policies import Start


class ArmScript:
    """Motions planned one after the other on where the simulator, not the observation, has the cubes."""

    def __init__(self, world: ArmWorld):
        """It looks into `world`, which the environment advances."""
        self._world = world
        self._task = ""
        self._planned: list[np.ndarray] = []

    def start(self, rng: np.random.Generator) -> Start:
        """Draw what the episode is about and how long it is, and place arm and cubes for it."""
        self._task = str(rng.choice([WAVE, PUSH, SWEEP], p=[0.2, 0.4, 0.4]))
        frames = int(rng.integers(250, 351))
        self._world.place(rng)
        return Start(self._task, frames=frames, state=self._world.save())

    def reset(
        self, bridge: Any, features: Float[np.ndarray, " F"], rng: np.random.Generator
    ) -> None:
        """Go on from the targets held now, with a task drawn where `start` drew none."""
        del features
        self._task = self._task or str(rng.choice([PUSH, SWEEP]))
        self._rng, self._target, self._planned = rng, bridge.rest_action(), []

    def act(self, features: Float[np.ndarray, " F"]) -> Float[np.ndarray, "6"]:
        """The targets of the next frame."""
        del features
        if not self._planned:
            cubes = self._world.cubes
            chosen = int(self._rng.integers(cubes)) if cubes > 1 else 0
            cube = self._world.cube(chosen)[:3]
            self._planned = list(next_motion(self._rng, self._task, self._target, cube))[::-1]
        self._target = np.clip(self._planned.pop(), LOWER, UPPER)
        return self._target
