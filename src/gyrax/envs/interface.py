"""What an environment of our own says of itself beyond Gymnasium's interface; the bridge asks for it."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from gyrax.envs.policies import Policy


@runtime_checkable
class SelfDescribed(Protocol):
    """An environment that names its numbers, and saves, restores and rolls itself out.

    **Fields:** `columns` and `action_columns`, as a data set names them; `goal_columns`, those that a goal
    is about.
    """

    columns: tuple[str, ...]
    action_columns: tuple[str, ...]
    goal_columns: tuple[int, ...]

    def set_goal(self, features: Float[np.ndarray, " F"]) -> None:
        """Want what these features show."""
        ...

    def save(self) -> Any:
        """The full state."""
        ...

    def restore(self, state: Any) -> Float32[np.ndarray, " F"]:
        """Go back to a state, and see."""
        ...

    def rollout(
        self, state: Any, actions: Float[np.ndarray, "N H A"]
    ) -> Float32[np.ndarray, "N H F"]:
        """What is seen after each action of N sequences from a state."""
        ...

    def rest_action(self) -> Float[np.ndarray, " A"]:
        """The action that leaves things as they are."""
        ...

    def recorded(self, action: Float[np.ndarray, " A"]) -> Float32[np.ndarray, " A"]:
        """An action as a data set holds it."""
        ...

    def scripted(self) -> Policy:
        """A policy that does something sensible."""
        ...
