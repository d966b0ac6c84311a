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


class RandomPolicy:
    """Explores smoothly: actions that are held, swept from one to another, or coloured noise.

    Independent noise at every frame averages out within a few frames, and leaves an arm or a point
    where it was; these last for long enough to carry it across its workspace. Where the bridge knows the
    largest sensible change of an action a frame, that is kept.
    """

    def reset(self, bridge: Any, features: Features, rng: np.random.Generator) -> None:
        """Begin at the action that leaves things as they are."""
        del features
        self._rng, self._low, self._high = rng, bridge.low, bridge.high
        self._rate, self._last = bridge.action_rate, bridge.rest_action()
        self._planned: list[np.ndarray] = []

    def act(self, features: Features) -> Action:
        """The next action, within the bounds."""
        del features
        if not self._planned:
            kind = (self._hold, self._sweep, self._noise)[self._rng.choice(3, p=(0.4, 0.3, 0.3))]
            self._planned = list(kind(int(self._rng.integers(4, 25))))[::-1]
        action = self._planned.pop()
        if self._rate is not None:
            action = np.clip(action, self._last - self._rate, self._last + self._rate)
        self._last = np.clip(action, self._low, self._high)
        return self._last

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
