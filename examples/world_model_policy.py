"""gyrax's agent as a policy of stable-worldmodel, where the state is what it was trained on.

Needs the package stable-worldmodel. Its `World` calls `set_env` once and `get_action` at every step:

    world = stable_worldmodel.World("swm/PushT-v1", num_envs=4)
    world.set_policy(GyraxPolicy("outputs/push_t"))
"""

from typing import Any

import numpy as np
from stable_worldmodel.policy import BasePolicy

from gyrax.planning import Agent


class GyraxPolicy(BasePolicy):
    """Plans with a run of gyrax towards `info[goal_key]`; goal and state are whole frames of its data."""

    def __init__(
        self,
        run: str,
        *,
        goal_columns: str = "*",
        state_key: str = "state",
        goal_key: str = "goal_state",
        **settings: Any,
    ):
        super().__init__()
        self.type = "gyrax"
        self.run, self.goal_columns, self.settings = run, goal_columns, settings
        self.state_key, self.goal_key = state_key, goal_key
        self.agents: list[Agent] = []

    def set_env(self, env: Any) -> None:
        """One agent for each of the environment's copies, within its bounds."""
        super().set_env(env)
        space = getattr(env, "single_action_space", env.action_space)
        count = getattr(env, "num_envs", 1)
        self.agents = [
            Agent(
                self.run,
                goal_columns=self.goal_columns,
                low=space.low,
                high=space.high,
                seed=seed,
                **self.settings,
            )
            for seed in range(count)
        ]
        self.goals: list[np.ndarray | None] = [None] * count

    def get_action(self, info: dict[str, Any], **kwargs: Any) -> np.ndarray:
        """The next action of every copy; a copy with another goal than before begins anew."""
        count = len(self.agents)
        states, goals = (
            np.asarray(info[key], np.float32).reshape(count, -1)
            for key in (self.state_key, self.goal_key)
        )
        for i, goal in enumerate(goals):
            if self.goals[i] is None or not np.array_equal(self.goals[i], goal):
                self.agents[i].reset(goal)
                self.goals[i] = goal
        actions = [agent.act(state) for agent, state in zip(self.agents, states, strict=True)]
        return np.stack(actions).reshape(self.env.action_space.shape)
