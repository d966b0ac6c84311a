"""Policies: what acts in an environment while it is recorded. The random one is here."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

Action = Float[np.ndarray, " A"]
Features = Float[np.ndarray, " F"]


@runtime_checkable
class Policy(Protocol):
    """Anything that acts. `bridge` is a `gyrax.envs.bridge.Bridge`."""

    def reset(self, bridge: Any, features: Features, rng: np.random.Generator) -> None:
        """An episode begins with `features`; all chance is to come from `rng`."""
        ...

    def act(self, features: Features) -> Action:
        """The action of the frame that begins with `features`."""
        ...


class Start(NamedTuple):
    """How an episode begins: its task text, its number of frames, and the state of the environment."""

    task: str
    frames: int | None = None
    state: Any = None


@runtime_checkable
class StartingPolicy(Protocol):
    """A policy that decides how its episodes begin."""

    def start(self, rng: np.random.Generator) -> Start:
        """Draw the beginning of the next episode, before `reset`."""
        ...


_SECONDS = (0.05, 0.6)
"""How long a random motion lasts: from the first to the second, evenly in the logarithm."""


class RandomPolicy:
    """Explores smoothly: actions that are held, swept from one to another, or coloured noise.

    Independent noise at every frame averages out within a few frames, and leaves an arm or a point
    where it was; these motions carry it across its workspace. Half of them are then undone, the opposite
    actions in reverse, so that velocities do not end at the workspace's edge; targets of positions are
    not. Where the bridge knows the largest sensible change of an action a frame, that is kept.

    Few random motions touch an object. With more than one of `candidates`, as many motions are tried in
    the simulator, and one is drawn in proportion to how far it brings what a goal is about; this needs a
    bridge with goal columns that can be restored, and with others nothing is tried.
    """

    def __init__(self, candidates: int = 1):
        """How many motions one is drawn from."""
        self._candidates = candidates

    def reset(self, bridge: Any, features: Features, rng: np.random.Generator) -> None:
        """Begin at the action that leaves things as they are."""
        del features
        self._bridge, self._rng, self._last = bridge, rng, bridge.rest_action()
        self._low, self._high, self._rest = bridge.low, bridge.high, bridge.rest_action()
        self._foresees = self._candidates > 1 and bridge.goal_columns and bridge.can_restore
        self._planned: list[np.ndarray] = []

    def act(self, features: Features) -> Action:
        """The next action, within the bounds."""
        if not self._planned:
            seconds = np.exp(self._rng.uniform(*np.log(_SECONDS)))
            frames = max(round(seconds * self._bridge.fps), 1)
            undone = not self._bridge.position_target and self._rng.random() < 0.5
            count = self._candidates if self._foresees else 1
            drawn = np.stack([self._motion(frames, undone) for _ in range(count)])
            self._planned = list(drawn[self._choice(drawn, features) if count > 1 else 0])[::-1]
        self._last = self._planned.pop()
        return self._last

    def _choice(self, motions: Float[np.ndarray, "N H A"], features: Features) -> int:
        """One of the motions, more likely the farther it brings what a goal is about."""
        bridge, columns = self._bridge, list(self._bridge.goal_columns)
        seen = bridge.rollout(bridge.save(), motions)[..., columns].astype(np.float64)
        ways = np.linalg.norm(seen - features[columns], axis=-1).max(axis=1)
        total = ways.sum()
        return int(self._rng.choice(len(ways), p=ways / total if total > 0 else None))

    def _motion(self, frames: int, undone: bool) -> Float[np.ndarray, "H A"]:
        """Actions that go on from the last one."""
        kind = (self._hold, self._sweep, self._noise)[self._rng.choice(3, p=(0.4, 0.3, 0.3))]
        motion = kind(frames)
        if undone:
            motion = np.concatenate([motion, 2.0 * self._rest - motion[::-1]])
        return self._allowed(motion)

    def _allowed(self, motion: Float[np.ndarray, "H A"]) -> Float[np.ndarray, "H A"]:
        """The same within the bounds, and as slow as the bridge says."""
        rate, last, allowed = self._bridge.action_rate, self._last, []
        for action in motion:
            if rate is not None:
                action = np.clip(action, last - rate, last + rate)
            last = np.clip(action, self._low, self._high)
            allowed.append(last)
        return np.array(allowed)

    def _somewhere(self) -> np.ndarray:
        """An action within the bounds; each component may also stay, or go to one of its ends."""
        rng, size = self._rng, len(self._low)
        ends = np.where(rng.random(size) < 0.5, self._low, self._high)
        middle = rng.uniform(self._low, self._high)
        return np.where(rng.random(size) < 0.3, ends, middle)

    def _hold(self, frames: int) -> np.ndarray:
        return np.tile(self._somewhere(), (frames, 1))

    def _sweep(self, frames: int) -> np.ndarray:
        time = np.arange(1, frames + 1)[:, None] / frames
        return self._last + time * (self._somewhere() - self._last)

    def _noise(self, frames: int) -> np.ndarray:
        """An Ornstein-Uhlenbeck path from the last action: noise that remembers 2 to 15 frames."""
        rng, centre = self._rng, self._somewhere()
        keep = np.exp(-1.0 / rng.uniform(2.0, 15.0))
        size = rng.uniform(0.1, 0.5) * (self._high - self._low)
        away, path = self._last - centre, []
        for shock in rng.normal(size=(frames, len(size))):
            away = keep * away + np.sqrt(1.0 - keep**2) * size * shock
            path.append(centre + away)
        return np.array(path)
