"""Episodes of the arm under its scripted policy, and the LeRobot folder that they make."""

from collections.abc import Callable, Iterator
from os import PathLike

import numpy as np

from gyrax._errors import InputError
from gyrax.envs.arm.world import MAX_CUBES, import_mujoco
from gyrax.envs.bridge import Bridge
from gyrax.envs.collect import collect, record
from gyrax.envs.policies import Policy


def simulate_episodes(
    episodes: int, seed: int, cubes: int = 1
) -> Iterator[tuple[dict[str, np.ndarray], str]]:
    """Yield the first `episodes` episodes of `seed`: their columns and their task text.

    At frame t `observation.state` (frames, 6), joint positions in radians, and
    `observation.environment_state` (frames, 13 + 7 × cubes), joint velocities and the poses of gripper
    and cubes as x y z and quaternion w x y z, are read at t; `action` (frames, 6) holds the joint
    targets applied from t to t + 1. Raises `InputError` without MuJoCo or Gymnasium.
    """
    bridge, policy = _arm(episodes, seed, cubes)
    for recording in record(bridge, policy, episodes=episodes, seed=seed):
        columns = recording.columns.items()
        arrays = {name: column for name, column in columns if isinstance(column, np.ndarray)}
        yield arrays, recording.task


def write_simulated(
    path: str | PathLike[str],
    *,
    episodes: int = 100,
    seed: int = 0,
    cubes: int = 1,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Simulate and write a v3.0 folder; `progress` is called with the number of episodes done.

    Raises `InputError` without MuJoCo or Gymnasium, or where `path` is taken.
    """
    bridge, policy = _arm(episodes, seed, cubes)
    collect(path, bridge, policy, episodes=episodes, seed=seed, progress=progress)


def _arm(episodes: int, seed: int, cubes: int) -> tuple[Bridge, Policy]:
    if episodes < 1 or seed < 0 or not 1 <= cubes <= MAX_CUBES:
        raise InputError(
            f"episodes is {episodes}, seed is {seed} and cubes is {cubes}, expected episodes of at "
            f"least 1, a seed of at least 0 and 1 to {MAX_CUBES} cubes; give such numbers"
        )
    import_mujoco()
    bridge = Bridge.make("gyrax/ArmPush-v0", {"cubes": cubes})
    policy = bridge.scripted()
    assert policy is not None
    return bridge, policy
