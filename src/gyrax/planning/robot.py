"""What a planner must be told of a robot, where the data does not say it."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.data.lerobot.proprioception import ACTION, ENVIRONMENT, STATE


@dataclass(frozen=True)
class Robot:
    """Features and actions by name, and the bounds of the actions, in the units of the data.

    **Fields:** `columns` and `action_columns`, the names; `low` and `high`; `rate`, the largest change of an
    action a frame, or None; `relative`, whether an action is the target of a position, so that holding it
    holds the robot (else holding means the action nearest to zero).
    """

    columns: tuple[str, ...]
    action_columns: tuple[str, ...]
    low: Float[np.ndarray, " A"]
    high: Float[np.ndarray, " A"]
    relative: bool
    rate: Float[np.ndarray, " A"] | None = None

    @property
    def joints(self) -> tuple[int, ...] | None:
        """For each action the feature of its name, if all have one: the position that it is a target of."""
        names = [short(name) for name in self.columns]
        wanted = [short(name) for name in self.action_columns]
        if not set(wanted) <= set(names):
            return None
        return tuple(names.index(name) for name in wanted)

    def holding(self, features: Float[np.ndarray, "*batch F"]) -> Float[np.ndarray, "*batch A"]:
        """The action that leaves the robot as it is, as far as the features tell."""
        if self.relative and self.joints is not None:
            return np.clip(features[..., list(self.joints)], self.low, self.high)
        still = np.clip(np.zeros_like(self.low), self.low, self.high)
        return np.broadcast_to(still, (*features.shape[:-1], still.size)).astype(np.float32)

    def matching(self, pattern: str, flag: str) -> tuple[int, ...]:
        """The features whose names match a comma-separated list of patterns such as `cube_pose.[xy]`.

        A name matches with or without the data set's key before it. Raises `InputError`, which names
        `flag`, where a pattern matches none.
        """
        found: list[int] = []
        for part in pattern.split(","):
            hits = [i for i, name in enumerate(self.columns) if matches(name, part.strip())]
            if not hits:
                known = ", ".join(short(name) for name in self.columns)
                raise InputError(
                    f"{flag}: no feature is called {part.strip()!r}; give patterns of {known}."
                )
            found += [i for i in hits if i not in found]
        return tuple(found)


def short(name: str) -> str:
    """A column's name without the data set's key: `observation.state.elbow.pos` is `elbow.pos`."""
    for key in (STATE, ENVIRONMENT, ACTION):
        name = name.removeprefix(f"{key}.")
    return name


def matches(name: str, pattern: str) -> bool:
    """Whether a column is meant by a pattern."""
    return fnmatchcase(name, pattern) or fnmatchcase(short(name), pattern)
