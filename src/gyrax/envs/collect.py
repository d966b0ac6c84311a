"""Records episodes of an environment under a policy, as a LeRobot folder."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gyrax._errors import InputError
from gyrax.data.lerobot.proprioception import ACTION, ENVIRONMENT, STATE
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.video_writer import ClipEncoder, video_feature
from gyrax.data.lerobot.writer import Column, write_folder
from gyrax.envs.bridge import Bridge
from gyrax.envs.policies import Policy, Start, StartingPolicy

SHORTEST = 32
"""Frames below which an episode is not worth keeping."""
CAMERA = "observation.images.front"
"""The key of the pictures that an environment renders."""
_ATTEMPTS = 100
_UNLIMITED = 300
"""Frames of an episode where neither environment nor user says how many."""


class Recording(NamedTuple):
    """One episode: its columns, each (frames, width) or a video, its task, and how many were too short
    before it."""

    columns: dict[str, Column]
    task: str
    discarded: int


def collect(
    path: str | PathLike[str],
    bridge: Bridge,
    policy: Policy,
    *,
    episodes: int,
    seed: int,
    frames: int | None = None,
    video: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a v3.0 folder of episodes; returns how many were started anew, having ended too early.

    With `video`, what the environment renders is a camera. `progress` is called with the number of
    episodes done. Raises `InputError` where `path` is taken, or the environment fails.
    """
    discarded, features = 0, data_features(bridge)
    with ExitStack() as opened:
        filming = None
        if video:
            bridge.reset(seed)
            features[CAMERA] = video_feature(bridge.render())
            temporary = opened.enter_context(tempfile.TemporaryDirectory())
            file = Path(temporary) / "episode.mp4"
            filming = lambda: ClipEncoder(file, bridge.fps, features[CAMERA])
        recordings = record(
            bridge, policy, episodes=episodes, seed=seed, frames=frames, filming=filming
        )

        def reported() -> Iterator[tuple[dict[str, Column], str]]:
            nonlocal discarded
            for done, recording in enumerate(recordings, start=1):
                discarded += recording.discarded
                yield recording.columns, recording.task
                if progress is not None:
                    progress(done)

        write_folder(
            path,
            robot=bridge.env.metadata.get("robot", bridge.id),
            fps=bridge.fps,
            features=features,
            episodes=reported(),
        )
    return discarded


def record(
    bridge: Bridge,
    policy: Policy,
    *,
    episodes: int,
    seed: int,
    frames: int | None = None,
    filming: Callable[[], ClipEncoder] | None = None,
) -> Iterator[Recording]:
    """Yield the first `episodes` episodes of `seed`; a shorter run gives the first ones of a longer.

    At frame t the observation is read at t, and `action` is applied from t to t + 1. An episode has
    `frames` frames, or as many as the policy or the environment's time limit says, unless it ends itself.
    `filming` begins the video of an attempt; its file is overwritten by the next one's.
    """
    if episodes < 1 or seed < 0 or (frames is not None and frames < SHORTEST):
        raise InputError(
            f"episodes is {episodes}, seed is {seed} and frames is {frames}, expected episodes of at "
            f"least 1, a seed of at least 0 and frames of at least {SHORTEST}; give such numbers"
        )
    for number in range(episodes):
        for attempt in range(_ATTEMPTS):
            origin = [seed, number, attempt] if attempt else [seed, number]
            film = filming() if filming is not None else None
            look = None if film is None else lambda film=film: film.add(bridge.render())
            rng = np.random.default_rng(origin)
            rows, task = act_out(bridge, policy, rng, frames=frames, least=SHORTEST, look=look)
            clip = {CAMERA: film.close()} if film is not None else {}
            if len(rows) >= SHORTEST:
                yield Recording(_columns(bridge, rows) | clip, task, attempt)
                break
        else:
            raise InputError(
                f"{bridge.id}: {_ATTEMPTS} episodes in a row ended before frame {SHORTEST}; use a policy "
                "that lasts longer, or an environment argument that keeps it from ending."
            )


def data_features(bridge: Bridge) -> dict[str, Feature]:
    """The columns of a data set made of this environment."""
    named = {key: _named(bridge.columns, key) for key in (STATE, ENVIRONMENT)}
    named[ACTION] = _named(bridge.action_columns, ACTION)
    return {k: Feature("float32", (len(names),), names) for k, names in named.items() if names}


def act_out(
    bridge: Bridge,
    policy: Policy,
    rng: np.random.Generator,
    *,
    frames: int | None = None,
    least: int = 0,
    look: Callable[[], object] | None = None,
) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Let a policy act in one episode: features and action of each frame, and its task.

    It has `frames` frames, or as many as the policy says, or as the environment's time limit, but `least`,
    unless it ends itself. `look` is called in each frame before the policy acts.
    """
    start = (
        policy.start(rng) if isinstance(policy, StartingPolicy) else Start(f"act in {bridge.id}")
    )
    limit = frames or start.frames or max(bridge.max_frames or _UNLIMITED, least)
    features = bridge.reset(0 if start.state is not None else int(rng.integers(2**31)), start.state)
    policy.reset(bridge, features, rng)
    rows = []
    while len(rows) < limit:
        if look is not None:
            look()
        action = policy.act(features)
        rows.append((features, np.array(action)))  # a policy may use its array again
        step = bridge.step(action)
        features = step.features
        if step.terminated or step.truncated:
            break
    return rows, start.task


def _columns(bridge: Bridge, rows: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Column]:
    features = np.stack([seen for seen, _ in rows])
    actions = np.stack([bridge.recorded(action) for _, action in rows])
    columns: dict[str, Column] = {}
    first = 0
    for key, feature in data_features(bridge).items():
        if key != ACTION:
            columns[key] = features[:, first : first + feature.width]
            first += feature.width
    return columns | {ACTION: actions}


def _named(columns: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The names of those columns that are parts of `key`."""
    prefix = f"{key}."
    return tuple(name.removeprefix(prefix) for name in columns if name.startswith(prefix))
