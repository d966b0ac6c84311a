"""`extract`: features of every frame, computed once and kept in a cache."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gyrax._errors import InputError
from gyrax.data.features.cache import FeatureCache, check_place, start_cache
from gyrax.data.features.extraction import Backbone, describe_cache, extract_episode
from gyrax.data.features.state import DEFAULT_BATCH, StateBackbone
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.runtime.console import make_progress

BACKBONES = ("state", "smolvla")
DEVICES = ("auto", "cpu", "cuda")


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
    if device not in DEVICES:
        raise InputError(f"--device is {device!r}; give one of {', '.join(DEVICES)}.")
    if backbone == "state":
        _refuse_flags_of_smolvla(weights, cameras, device)
    check_place(out)
    folder = open_folder(dataset)
    if backbone == "state":
        network = _state(folder, batch_size or DEFAULT_BATCH)
    else:
        from gyrax.data.features.smolvla import SmolVLABackbone

        network = SmolVLABackbone(folder, weights, cameras, device, batch_size)
        console.print(network.description, highlight=False, markup=False, soft_wrap=True)
    count = len(folder.episodes)
    cache = start_cache(out, describe_cache(folder, network, min(max_episodes or count, count)))
    try:
        _fill(cache, folder, network, console)
    except KeyboardInterrupt:
        kept = cache.meta.episodes - len(cache.missing())
        console.print(f"{kept} episodes are kept; go on with the same command")
        raise
    return cache


def _refuse_flags_of_smolvla(weights: str | None, cameras: Sequence[str], device: str) -> None:
    given = {"--weights": weights, "--camera": cameras, "--device cuda": device == "cuda"}
    for flag, value in given.items():
        if value:
            raise InputError(
                f"{flag} is for --backbone smolvla; leave it out with --backbone state."
            )


def _state(folder: LeRobotFolder, batch_size: int) -> StateBackbone:
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("statistics", total=folder.frames)
        return StateBackbone(folder, batch_size, lambda frames: progress.advance(task, frames))


def _fill(cache: FeatureCache, folder: LeRobotFolder, network: Backbone, console: Console) -> None:
    """Compute and store the episodes that the cache lacks, or holds broken."""
    meta, broken = cache.meta, cache.broken()
    for error in broken.values():
        console.print(f"extracted again: {error}", highlight=False, markup=False)
    todo = sorted([*broken, *cache.missing()])
    if len(todo) < meta.episodes:
        console.print(f"{meta.episodes - len(todo)} of {meta.episodes} episodes are there already")
    total = sum(meta.lengths[: meta.episodes])
    frames = sum(meta.lengths[episode] for episode in todo)
    began = time.perf_counter()
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("extracting", total=total, completed=total - frames)
        advance = lambda done: progress.advance(task, done)
        for episode in todo:
            extract_episode(cache, folder, network, episode, advance)
    seconds = time.perf_counter() - began
    console.print(
        f"cache: {cache.path} ({meta.episodes} episodes, {total} frames, {len(meta.columns)} features); "
        f"{frames} frames in {seconds:.1f} s, {frames / max(seconds, 1e-9):.1f} frames/s",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
