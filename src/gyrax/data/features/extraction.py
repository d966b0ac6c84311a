"""The command `extract`: features of every frame, computed once and kept in a cache."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.data.features.cache import FeatureCache, check_place, start_cache
from gyrax.data.features.fingerprint import fingerprint
from gyrax.data.features.meta import CacheMeta
from gyrax.data.features.state import DEFAULT_BATCH, StateBackbone
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.data.lerobot.proprioception import ACTION, STATE, column_names, state_keys
from gyrax.runtime.console import make_progress

BACKBONES = ("state", "smolvla")


@runtime_checkable
class Backbone(Protocol):
    """What computes features, and everything that they depend on.

    **Fields:** `columns`, a name for each feature; `settings`, for the cache's identity; `arguments`, those
    of the command line; `mean` and `scale`, which turn features into the data set's units (or are empty);
    `reads_video`.
    """

    columns: tuple[str, ...]
    settings: dict[str, Any]
    arguments: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    reads_video: bool

    def blocks(self, episode: int) -> Iterator[np.ndarray]:
        """The features of one episode, float32 (frames, width), some frames at a time."""
        ...


def extract_run(
    dataset: Path,
    *,
    backbone: str,
    out: Path,
    max_episodes: int,
    device: str,
    batch_size: int | None,
    weights: str | None,
    cameras: Sequence[str],
    console: Console,
) -> FeatureCache:
    """Extract the features of a LeRobot folder into the cache `out`, or go on where it stopped.

    Raises `InputError` for anything unusable; what the cache already holds is kept in every case.
    """
    if backbone not in BACKBONES:
        raise InputError(f"--backbone is {backbone!r}; give one of {', '.join(BACKBONES)}.")
    if max_episodes < 0:
        raise InputError(f"--max-episodes is {max_episodes}; give 0 for all, or more.")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"--batch-size is {batch_size}; give 1 or more.")
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device is {device!r}; give one of auto, cpu, cuda.")
    check_place(out)
    folder = open_folder(dataset)
    state_keys(folder)
    if backbone == "state":
        network = _state(folder, device, batch_size, weights, cameras)
    else:
        from gyrax.data.features.smolvla import SmolVLABackbone

        network = SmolVLABackbone(folder, weights, cameras, device, batch_size, console)
    count = len(folder.episodes)
    cache = start_cache(out, _meta(folder, backbone, network, min(max_episodes or count, count)))
    try:
        _fill(cache, folder, network, console)
    except KeyboardInterrupt:
        left = len(cache.missing())
        console.print(
            f"{cache.meta.episodes - left} episodes are kept; go on with the same command"
        )
        raise
    return cache


def _state(
    folder: LeRobotFolder,
    device: str,
    batch_size: int | None,
    weights: str | None,
    cameras: Sequence[str],
) -> StateBackbone:
    for flag, given in (
        ("--weights", weights),
        ("--camera", cameras),
        ("--device cuda", device == "cuda"),
    ):
        if given:
            raise InputError(
                f"{flag} is for --backbone smolvla; leave it out with --backbone state."
            )
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("statistics", total=folder.frames)
        advance = lambda frames: progress.advance(task, frames)
        return StateBackbone(folder, batch_size or DEFAULT_BATCH, advance)


def _meta(folder: LeRobotFolder, backbone: str, network: Backbone, episodes: int) -> CacheMeta:
    return CacheMeta(
        backbone=backbone,
        settings=network.settings,
        arguments=network.arguments,
        dataset=str(folder.path.resolve()),
        fingerprint=fingerprint(folder.path, videos=network.reads_video),
        fps=folder.fps,
        tasks=folder.tasks,
        lengths=tuple(episode.length for episode in folder.episodes),
        columns=network.columns,
        state_columns=column_names(folder, [STATE]),
        action_columns=column_names(folder, [ACTION]),
        mean=tuple(network.mean.tolist()),
        scale=tuple(network.scale.tolist()),
        episodes=episodes,
    )


def _fill(cache: FeatureCache, folder: LeRobotFolder, network: Backbone, console: Console) -> None:
    """Compute and store the episodes that the cache lacks, or holds broken."""
    meta, todo = cache.meta, []
    for episode in range(meta.episodes):
        try:
            cache.read(episode)
        except InputError as error:
            if episode not in cache.missing():
                console.print(f"extracted again: {error}", highlight=False, markup=False)
            todo.append(episode)
    total = sum(meta.lengths[: meta.episodes])
    frames = sum(meta.lengths[episode] for episode in todo)
    if len(todo) < meta.episodes:
        console.print(f"{meta.episodes - len(todo)} of {meta.episodes} episodes are there already")
    began = time.perf_counter()
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("extracting", total=total, completed=total - frames)
        for episode in todo:
            parts = []
            for block in network.blocks(episode):
                parts.append(block)
                progress.advance(task, len(block))
            columns = folder.read(episode, [STATE, ACTION, "task_index"])
            cache.write(
                episode,
                {
                    "features": np.concatenate(parts),
                    "state": columns[STATE],
                    "action": columns[ACTION],
                    "task_index": columns["task_index"],
                },
            )
    seconds = time.perf_counter() - began
    console.print(
        f"cache: {cache.path} ({meta.episodes} episodes, {total} frames, {len(meta.columns)} features); "
        f"{frames} frames in {seconds:.1f} s, {frames / max(seconds, 1e-9):.1f} frames/s",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
