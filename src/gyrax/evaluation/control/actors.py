"""Who acts in closed loop: the agent, and what a person would use in its place."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax._types import AnyArray
from gyrax.envs.bridge import Bridge
from gyrax.envs.policies import RandomPolicy
from gyrax.evaluation.control.pairs import Pair
from gyrax.planning.controller import Controller
from gyrax.planning.robot import Robot

Frames = Float[np.ndarray, "E F"]
Actions = Float[np.ndarray, "E A"]


@runtime_checkable
class Actor(Protocol):
    """Acts in E episodes side by side. It sees observations; only the oracle looks at `bridges`."""

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """Episodes begin at the starts of these pairs."""
        ...

    def act(self, frames: Frames) -> Actions:
        """The actions for what is observed."""
        ...


def stacked_past(
    pairs: Sequence[Pair],
) -> tuple[Float[np.ndarray, "E P F"], Float[np.ndarray, "E Q A"]]:
    """Frames before the starts, and the actions before, as many as all have."""
    frames = min(len(p.frames) for p in pairs)
    actions = min(len(p.actions) for p in pairs)
    return (
        np.stack([p.frames[len(p.frames) - frames :] for p in pairs]),
        np.stack([p.actions[len(p.actions) - actions :] for p in pairs]),
    )


class Planned:
    """A controller in closed loop."""

    def __init__(self, controller: Controller):
        self.controller = controller

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """Take in the frames before the starts."""
        del bridges
        past, actions = stacked_past(pairs)
        self.controller.reset(np.stack([p.goal for p in pairs]), actions)
        for frame in np.swapaxes(past[:, :-1], 0, 1):
            self.controller.observe(frame)

    def act(self, frames: Frames) -> Actions:
        """Observe, and plan if it is time."""
        self.controller.observe(frames)
        return self.controller.act()


class Hold:
    """Stays: the action that leaves the robot as it is."""

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """Remember it."""
        del pairs
        self.actions = np.stack([bridge.rest_action() for bridge in bridges])

    def act(self, frames: Frames) -> Actions:
        """The same all along."""
        del frames
        return self.actions


class Random:
    """The random policy that data is collected with, from seeds of its own."""

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """One policy an episode."""
        self.policies = [RandomPolicy() for _ in pairs]
        for policy, pair, bridge in zip(self.policies, pairs, bridges, strict=True):
            rng = np.random.default_rng([pair.seed, pair.episode, 2])
            policy.reset(bridge, pair.frames[-1], rng)

    def act(self, frames: Frames) -> Actions:
        """Each policy's own."""
        return np.stack([p.act(x) for p, x in zip(self.policies, frames, strict=True)])


class Servo:
    """Takes the joints straight to where the goal has them."""

    def __init__(self, robot: Robot):
        """`robot.joints` must be known."""
        self.robot = robot

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """From the targets that are held."""
        self.target = np.stack([bridge.rest_action() for bridge in bridges])
        joints = list(self.robot.joints or ())
        self.goal = np.stack([pair.goal[joints] for pair in pairs])

    def act(self, frames: Frames) -> Actions:
        """A step towards it, as large as the rate allows."""
        del frames
        step = self.goal - self.target
        if self.robot.rate is not None:
            step = np.clip(step, -self.robot.rate, self.robot.rate)
        self.target = np.clip(self.target + step, self.robot.low, self.robot.high)
        return self.target


class Replay:
    """The recorded actions, and then the last of them: what can be reached at all."""

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """From the first recorded action on."""
        del bridges
        self.recorded = np.stack([p.replay for p in pairs if p.replay is not None])
        self.frame = 0

    def act(self, frames: Frames) -> Actions:
        """The next one."""
        del frames
        action = self.recorded[:, min(self.frame, self.recorded.shape[1] - 1)]
        self.frame += 1
        return action


class Oracle(Planned):
    """The same planner in the simulator itself."""

    failure: InputError | None

    def begin(self, pairs: Sequence[Pair], bridges: Sequence[Bridge]) -> None:
        """With the simulators of these episodes."""
        self.bridges, self.failure = bridges, None
        super().begin(pairs, bridges)

    def act(self, frames: Frames) -> Actions:
        """Observe, and plan if it is time. Raises `InputError` where a simulator failed."""
        actions = super().act(frames)
        if self.failure is not None:
            raise self.failure
        return actions

    def simulate(
        self, episodes: Any, actions: Float[AnyArray, "*batch H A"]
    ) -> Float[np.ndarray, "*batch H F"]:
        """What follows in the simulators of these episodes; not a number where one fails, which `act` tells:
        an error cannot leave a compiled search."""
        actions = np.asarray(actions)
        rows = actions.reshape(-1, *actions.shape[-3:])
        numbers = np.broadcast_to(np.asarray(episodes), actions.shape[:-3]).reshape(-1)
        out = [
            self._follow(self.bridges[int(n)], row) for n, row in zip(numbers, rows, strict=True)
        ]
        return np.stack(out).reshape(*actions.shape[:-1], -1).astype(np.float32)

    def _follow(
        self, bridge: Bridge, actions: Float[np.ndarray, "N H A"]
    ) -> Float[np.ndarray, "N H F"]:
        try:
            return bridge.rollout(bridge.save(), actions)
        except InputError as error:
            self.failure = error
            return np.full((*actions.shape[:2], len(bridge.columns)), np.nan, np.float32)
