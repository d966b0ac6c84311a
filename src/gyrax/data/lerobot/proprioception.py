"""The columns of a LeRobot folder that training uses: robot state, environment state and action."""

from collections.abc import Mapping, Sequence

import numpy as np

from gyrax._errors import InputError
from gyrax.data.lerobot.folder import LeRobotFolder

ACTION = "action"
STATE = "observation.state"
ENVIRONMENT = "observation.environment_state"
STATES = (STATE, ENVIRONMENT)


def state_keys(folder: LeRobotFolder) -> list[str]:
    """The state features that a folder has. `InputError` where it has no state or no action."""
    for key in (STATE, ACTION):
        if key not in folder.features:
            raise InputError(
                f"{folder.path}: has no column {key!r}, only {', '.join(folder.features)}; "
                f"training needs {STATE!r} and {ACTION!r}."
            )
    return [key for key in STATES if key in folder.features]


def column_names(folder: LeRobotFolder, keys: Sequence[str]) -> tuple[str, ...]:
    """A name for each component of these features, one after the other."""
    return tuple(f"{key}.{name}" for key in keys for name in folder.names(key))


def side_by_side(columns: Mapping[str, np.ndarray], keys: Sequence[str]) -> np.ndarray:
    """These features of one episode as one array, (frames, width)."""
    return np.concatenate([columns[key] for key in keys], axis=1)
