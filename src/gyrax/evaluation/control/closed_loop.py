"""Runs actors in closed loop, and measures how near they come to their goals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.actors import Actor
from gyrax.evaluation.control.pairs import Pair, reset_seed
from gyrax.planning.assignment import Judge
from gyrax.planning.controller import BLOCK

AT_ONCE = BLOCK
"""Simulators that run side by side."""
LAST = 10
"""Frames at the end in which a goal must be kept to."""


@dataclass(frozen=True)
class Outcome:
    """What became of E episodes of T frames under one actor.

    **Fields:** `distance` from the goal after each action; `success` there; `actions`; `frames`, the last
    `LAST` ones; `ended`, after how many frames the environment ended the episode (T where it did not).
    After an end all stays as it was.
    """

    distance: Float[np.ndarray, "E T"]
    success: Bool[np.ndarray, "E T"]
    actions: Float[np.ndarray, "E T A"]
    frames: Float[np.ndarray, "E last F"]
    ended: Int[np.ndarray, " E"]

    def __len__(self) -> int:
        return len(self.distance)

    @property
    def held(self) -> Bool[np.ndarray, " E"]:
        """Whether the goal was kept to over the last frames."""
        return np.all(self.success[:, -LAST:], axis=1, keepdims=False)

    @property
    def ever(self) -> Bool[np.ndarray, " E"]:
        """Whether it was reached at all."""
        return np.any(self.success, axis=1)

    @property
    def frames_to_success(self) -> Float[np.ndarray, " E"]:
        """Frames until it was first reached; NaN where it never was."""
        return np.where(self.ever, self.success.argmax(1) + 1.0, np.nan)


def put_to_start(bridge: Bridge, pair: Pair, judge: Judge) -> None:
    """Bring a simulator to the start of a pair, and tell it the goal if it has one to set."""
    if pair.state is None:
        bridge.reset(reset_seed(pair.seed, pair.episode))
        for action in pair.actions[: pair.frame]:
            bridge.step(action)
        return
    bridge.restore(pair.state)
    if judge.own and pair.replay is not None:
        bridge.set_goal(pair.goal)


def run(
    actor: Actor,
    bridges: Sequence[Bridge],
    pairs: Sequence[Pair],
    judge: Judge,
    budget: int,
    progress: Callable[[int], object] = lambda frames: None,
) -> Iterator[Outcome]:
    """Let an actor act for `budget` frames in all pairs, some side by side; yields all that is finished."""
    parts = []
    for first in range(0, len(pairs), len(bridges)):
        some = pairs[first : first + len(bridges)]
        parts.append(_run_some(actor, bridges[: len(some)], some, judge, budget, progress))
        yield Outcome(*(np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS))


_FIELDS = tuple(Outcome.__dataclass_fields__)


def _run_some(
    actor: Actor,
    bridges: Sequence[Bridge],
    pairs: Sequence[Pair],
    judge: Judge,
    budget: int,
    progress: Callable[[int], object],
) -> Outcome:
    for bridge, pair in zip(bridges, pairs, strict=True):
        put_to_start(bridge, pair, judge)
    actor.begin(pairs, bridges)
    goals = np.stack([p.goal for p in pairs])
    frames, success = np.stack([p.frames[-1] for p in pairs]), np.zeros(len(pairs), bool)
    ended = np.full(len(pairs), budget)
    distances, successes, acted, seen = [], [], [], []
    for frame in range(budget):
        actions = np.asarray(actor.act(frames))
        frames, success = frames.copy(), success.copy()
        near = np.array(judge.distance(frames, goals))
        for i in np.flatnonzero(ended > frame).tolist():
            step = bridges[i].step(actions[i])
            frames[i] = step.features
            near[i] = judge.distance(step.features, goals[i])
            judged = step.success if judge.own else None
            success[i] = near[i] < judge.tolerance if judged is None else judged
            if step.terminated or step.truncated:
                ended[i] = frame + 1
        distances.append(near)
        successes.append(success)
        acted.append(actions)
        if frame >= budget - LAST:
            seen.append(frames)
        progress(len(pairs))
    axis = lambda parts: np.stack(parts, axis=1)
    return Outcome(axis(distances), axis(successes), axis(acted), axis(seen), ended)
