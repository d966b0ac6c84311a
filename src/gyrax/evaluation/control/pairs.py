"""Starts and goals for closed loop: states of held-out episodes, and what was seen some frames later."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge
from gyrax.envs.collect import act_out
from gyrax.envs.policies import Policy, RandomPolicy
from gyrax.planning.assignment import Judge, completed

PAST = 10
"""Frames before a start at least, from which an agent's context and its last actions come."""
EMPTY_EPISODES = 50
"""Episodes in a row without a pair, after which there are none."""


class Pair(NamedTuple):
    """One start and goal.

    **Fields:** `seed` and `episode`, of the recording, and `frame` in it, at which the agent takes over;
    `state` of the environment there, or None where it is reached by acting as recorded; `frames` (P, F) up to
    the start and the `actions` that led there, or the one at rest where it is the beginning of the episode;
    `goal` (F,), the features to be reached; `replay` (H, A), the recorded actions, or None where the goal is
    the environment's own.
    """

    seed: int
    episode: int
    frame: int
    state: Any
    frames: Float[np.ndarray, "P F"]
    actions: Float[np.ndarray, "Q A"]
    goal: Float[np.ndarray, " F"]
    replay: Float[np.ndarray, "H A"] | None


@dataclass
class LeftOut:
    """How many candidates were not taken, and why."""

    solved: int = 0
    still: int = 0
    short: int = 0


def reset_seed(seed: int, episode: int) -> int:
    """With which an environment begins an episode whose policy does not choose the beginning."""
    return int(np.random.default_rng([seed, episode]).integers(2**31))


def own_goal(bridge: Bridge, seed: int, number: int, seen: Float[np.ndarray, "N F"]) -> Pair:
    """The environment's own goal of one reset; the rest of its frame is as in the frames `seen` that are
    like it."""
    features = bridge.reset(reset_seed(seed, number))
    assert bridge.goal is not None
    goal = completed(bridge.goal, bridge.goal_columns, seen)
    state = bridge.save() if bridge.can_restore else None
    rest = np.asarray(bridge.rest_action(), np.float32)
    return Pair(seed, number, 0, state, features[None], rest[None], goal, None)


@dataclass(frozen=True)
class Recorded:
    """An episode with the state of every frame, where the environment can be put back into it."""

    frames: Float[np.ndarray, "T F"]
    actions: Float[np.ndarray, "T A"]
    states: list[Any]


def record_states(bridge: Bridge, policy: Policy, seed: int, number: int) -> Recorded:
    """Let a policy act in one episode."""
    states: list[Any] = []
    look = lambda: states.append(bridge.save() if bridge.can_restore else None)
    rows, _ = act_out(bridge, policy, np.random.default_rng([seed, number]), look=look)
    frames, actions = (np.stack(part) for part in zip(*rows, strict=True))
    return Recorded(frames, actions.astype(np.float32), states)


def make_pairs(
    bridge: Bridge,
    policy: Policy | None,
    judge: Judge,
    *,
    count: int,
    seed: int,
    ahead: int,
    seen: Float[np.ndarray, "N F"],
) -> tuple[list[Pair], LeftOut]:
    """As many pairs, at most one an episode, whose goal is seen `ahead` frames after its start.

    Where the environment has goals of its own, those, from the beginning of an episode; the frames `seen` in
    the data complete them. Left out are pairs
    that are within the tolerance of the goal at the start, and recorded ones whose goal is less than twice
    that away. Raises `InputError` where episodes give none.
    """
    bridge.reset(0)
    own, policy = bridge.goal is not None, policy or RandomPolicy()
    pairs, left, number, empty = [], LeftOut(), 0, 0
    rng = np.random.default_rng([seed, 1])
    while len(pairs) < count:
        if empty == EMPTY_EPISODES:
            raise InputError(
                f"{bridge.id}: {empty} episodes in a row have no start and goal ({left.solved} solved at "
                f"the start, {left.still} hardly moving, {left.short} too short); give another "
                "--goal-frames, --goal or a smaller --tolerance."
            )
        if own:
            pair = own_goal(bridge, seed, number, seen)
            if judge.distance(pair.frames[-1], pair.goal) < judge.tolerance:
                left.solved, pair = left.solved + 1, None
        else:
            recorded = record_states(bridge, policy, seed, number)
            pair = _chosen(recorded, judge, ahead, seed, number, rng, left)
        if pair is not None:
            pairs.append(pair)
        empty, number = 0 if pair is not None else empty + 1, number + 1
    return pairs, left


def _chosen(
    recorded: Recorded,
    judge: Judge,
    ahead: int,
    seed: int,
    number: int,
    rng: np.random.Generator,
    left: LeftOut,
) -> Pair | None:
    """One pair of an episode, or None where it has none."""
    frames, actions = recorded.frames, recorded.actions
    starts = np.arange(PAST, len(frames) - ahead)
    if not len(starts):
        left.short += 1
        return None
    moved = judge.distance(frames[starts], frames[starts + ahead])
    starts = starts[moved > 2 * judge.tolerance]
    if not len(starts):
        left.solved, left.still = left.solved + int((moved < judge.tolerance).all()), left.still + 1
        return None
    t = int(rng.choice(starts))
    return Pair(
        seed,
        number,
        t,
        recorded.states[t],
        frames[: t + 1],
        actions[:t],
        frames[t + ahead],
        actions[t : t + ahead],
    )
