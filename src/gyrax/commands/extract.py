"""`gyrax extract`: features of every frame, computed once and kept in a cache."""

import time
from dataclasses import MISSING, dataclass
from pathlib import Path

from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import DEVICE, with_options
from gyrax.data.features.cache import FeatureCache, check_place, start_cache
from gyrax.data.features.extraction import Backbone, describe_cache, extract_episode
from gyrax.data.features.packed import DTYPES, FOLDER, pack
from gyrax.data.features.state import DEFAULT_BATCH, StateBackbone
from gyrax.data.lerobot.folder import LeRobotFolder, open_folder
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import DEVICES
from gyrax.runtime.options import check_choice, option

BACKBONES = ("state", "smolvla")


@dataclass(frozen=True)
class ExtractOptions:
    """What is extracted from which frames, by what, and into which cache."""

    dataset: Path = option(MISSING, "LeRobot folder, v3.0 or v2.1.")
    backbone: str = option(
        MISSING,
        "state: standardised states. smolvla: hidden states of SmolVLA's action expert.",
    )
    out: Path = option(MISSING, "Cache to write, or to go on with.")
    max_episodes: int = option(0, "How many episodes, from the first on; 0 for all.", least=0)
    device: str = option("auto", DEVICE)
    batch_size: int | None = option(
        None, "Frames at a time. [default: state 4096, smolvla 16]", least=1, most=2**20
    )
    weights: str | None = option(None, "smolvla: folder or hub id. [default: lerobot/smolvla_base]")
    camera: list[str] | None = option(
        None, "smolvla: NAME=KEY, the weights' camera and the folder's; repeatable."
    )

    pack: str | None = option(
        None,
        "float32 or float16: write packed files too, of which training holds some episodes at a time.",
    )

    def __post_init__(self) -> None:
        """Reject unusable values, each with its flag."""
        check_choice("--backbone", self.backbone, BACKBONES)
        check_choice("--device", self.device, DEVICES)
        if self.pack is not None:
            check_choice("--pack", self.pack, DTYPES)
        given = {
            "--weights": self.weights,
            "--camera": self.camera,
            "--device cuda": self.device == "cuda",
        }
        for flag, value in given.items():
            if value and self.backbone == "state":
                raise InputError(
                    f"{flag} is for --backbone smolvla; leave it out with --backbone state."
                )


@with_options(ExtractOptions)
def extract(options: ExtractOptions) -> None:
    """Compute the features of every frame of a LeRobot folder once, into a cache for --data."""
    console, out = Console(), options.out
    check_place(out)
    folder = open_folder(options.dataset)
    if options.backbone == "state":
        network = _state(folder, options.batch_size or DEFAULT_BATCH)
    else:
        from gyrax.data.features.smolvla import SmolVLABackbone

        network = SmolVLABackbone(
            folder, options.weights, options.camera or [], options.device, options.batch_size
        )
        console.print(network.description, highlight=False, markup=False, soft_wrap=True)
    count = len(folder.episodes)
    cache = start_cache(
        out, describe_cache(folder, network, min(options.max_episodes or count, count))
    )
    try:
        _fill(cache, folder, network, console)
        if options.pack is not None:
            _pack(cache, options.pack, console)
    except KeyboardInterrupt:
        kept = cache.meta.episodes - len(cache.missing())
        console.print(f"{kept} episodes are kept; go on with the same command")
        raise


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


def _pack(cache: FeatureCache, dtype: str, console: Console) -> None:
    total = sum(cache.meta.lengths[: cache.meta.episodes])
    with make_progress(Console(stderr=True), unit="frames") as progress:
        task = progress.add_task("packing", total=total)
        pack(cache, dtype, lambda frames: progress.advance(task, frames))
    console.print(
        f"packed: {cache.path / FOLDER} ({dtype})", highlight=False, markup=False, soft_wrap=True
    )
