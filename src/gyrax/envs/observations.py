"""How an environment's observation becomes one vector of named numbers, and where its goal is in it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from gyrax._errors import InputError
from gyrax.data.lerobot.proprioception import STATE

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")
"""What Gymnasium-Robotics' goal environments observe."""


@dataclass(frozen=True)
class Layout:
    """The parts of an observation that are features, one after the other.

    **Fields:** `parts`, keys of a goal dictionary, none for an array; `columns`, a name for each number;
    `goal_columns`, those of `achieved_goal`.
    """

    parts: tuple[str, ...]
    columns: tuple[str, ...]
    goal_columns: tuple[int, ...]

    def features(self, observation: Any) -> Float32[np.ndarray, " F"]:
        """One flat vector."""
        parts = [observation[key] for key in self.parts] if self.parts else [observation]
        return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)

    def goal(self, observation: Any) -> Float[np.ndarray, " G"] | None:
        """The goal that an observation tells."""
        return np.ravel(observation[GOAL_KEYS[2]]).astype(np.float64) if self.parts else None


def layout_of(where: str, space: Any) -> Layout:
    """Read a Gymnasium observation space. Raises `InputError` for neither a vector nor a goal dictionary."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict) and set(space) == set(GOAL_KEYS):
        parts = {key: space[key] for key in GOAL_KEYS[:2]}
    else:
        parts = {"observation": space}
    for key, part in parts.items():
        if not isinstance(part, spaces.Box) or part.dtype == np.uint8:
            raise InputError(
                f"{where}: its {key} is {_short(part)}, expected an array of numbers, or the dictionary "
                f"{', '.join(GOAL_KEYS)}; choose an environment that observes its state."
            )
    sizes = {key: math.prod(part.shape or ()) for key, part in parts.items()}
    names = [f"{STATE}.{key}.{i}" for key, size in sizes.items() for i in range(size)]
    first = sizes["observation"]
    goal_columns = tuple(range(first, len(names)))
    return Layout(tuple(parts) if len(parts) > 1 else (), tuple(names), goal_columns)


def _short(space: Any) -> str:
    text = " ".join(str(space).split())
    return text if len(text) < 80 else f"{text[:77]}..."
