"""Episodes of the model's as pictures: simulators are put to their starts, and act once more as recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from rich.console import Console

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.closed_loop import Outcome, put_to_start
from gyrax.evaluation.control.pairs import Pair
from gyrax.planning.assignment import Judge
from gyrax.runtime.console import make_progress, print_lines
from gyrax.runtime.films import film_suffix, write_film

CASES = 12
"""Most cases on a page."""
EVERY, STILLS = 3, 60
"""A case on a page shows every third frame, or fewer: at most so many pictures."""
HEIGHT = 180
"""Pixels of a picture on a page."""
FILMS = 4
"""Most films of successes, and of failures."""

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass
class Case:
    """One episode of the model's.

    **Fields:** `number` among the pairs; `held`, whether it ended at the goal, and `ever`, whether it was
    there; `distance` from the goal at the start and after each action until it `ended`, of `budget` frames;
    `every` so many frames there is a picture in `film`, none where there are no pictures; `goal`, a picture
    of it, or None.
    """

    number: int
    pair: Pair
    held: bool
    ever: bool
    distance: Float[np.ndarray, " moments"]
    budget: int
    every: int
    film: list[Picture] = field(default_factory=list)
    goal: Picture | None = None


def chosen(held: Bool[np.ndarray, " E"], most: int) -> list[int]:
    """Episodes to show: half of them successes and half failures, as far as there are both, in order."""
    won, lost = np.flatnonzero(held), np.flatnonzero(~held)
    won = won[: max(most // 2, most - len(lost))]
    return sorted([*won.tolist(), *lost[: most - len(won)].tolist()])


def filmed(
    bridge: Bridge, pair: Pair, actions: Float[np.ndarray, "T A"], judge: Judge, every: int = 1
) -> Iterator[Picture]:
    """Pictures of the start, of every so many frames, and of the last one.

    Raises `InputError` where the environment renders none.
    """
    put_to_start(bridge, pair, judge)
    yield bridge.render()
    for frame, action in enumerate(actions, 1):
        bridge.step(action)
        if frame % every == 0 or frame == len(actions):
            yield bridge.render()


def make_cases(
    bridge: Bridge, pairs: Sequence[Pair], outcome: Outcome, judge: Judge, console: Console
) -> list[Case]:
    """The cases of a page, with pictures where the environment renders: one line says why it does not.

    Ctrl-C leaves the others without.
    """
    budget = outcome.distance.shape[1]
    cases = []
    for number in chosen(outcome.held, CASES):
        pair, ended = pairs[number], outcome.ended[number]
        start = judge.distance(pair.frames[-1], pair.goal)
        distance = np.array([start, *outcome.distance[number, :ended]])
        held, ever = bool(outcome.held[number]), bool(outcome.ever[number])
        every = max(EVERY, -(-budget // STILLS))
        cases.append(Case(number, pair, held, ever, distance, budget, every))
    try:
        with make_progress(console, unit="cases") as progress:
            task = progress.add_task("pictures", total=len(cases))
            for case in cases:
                _picture(case, bridge, outcome, judge)
                progress.update(task, advance=1)
    except InputError as error:
        print_lines([f"no pictures: {error}"], console)
    except KeyboardInterrupt:
        print_lines(["interrupted: the other cases have no pictures"], console)
    return cases


def _picture(case: Case, bridge: Bridge, outcome: Outcome, judge: Judge) -> None:
    actions = outcome.actions[case.number, : len(case.distance) - 1]
    film = [small(p) for p in filmed(bridge, case.pair, actions, judge, case.every)]
    if case.pair.replay is not None:
        *_, seen = filmed(bridge, case.pair, case.pair.replay, judge, len(case.pair.replay))
        case.goal = small(seen)
    case.film = film


def small(picture: Picture, height: int = HEIGHT) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in the height of a page's."""
    from PIL import Image

    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def film_files(folder: Path) -> dict[bool, list[Path]]:
    """The names of all films that may come to be, of successes (True) and failures (False).

    Raises `InputError` where one is there, or `folder` is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--video is {folder}, which is a file; give a folder.")
    named = lambda kind: [folder / f"{kind}_{n}{film_suffix()}" for n in range(1, FILMS + 1)]
    files = {True: named("success"), False: named("failure")}
    for file in (*files[True], *files[False]):
        if file.exists():
            raise InputError(f"--video: {file} is there; give another folder, or move it away.")
    return files


def write_films(
    folder: Path, bridge: Bridge, pairs: Sequence[Pair], outcome: Outcome, judge: Judge
) -> Iterator[str]:
    """Film successes and failures in full size; for each a line that names the file.

    Raises `InputError` where the environment renders nothing.
    """
    for held, files in film_files(folder).items():
        for number, file in zip(np.flatnonzero(outcome.held == held).tolist(), files, strict=False):
            pair, actions = pairs[number], outcome.actions[number, : outcome.ended[number]]
            write_film(filmed(bridge, pair, actions, judge), file, bridge.fps)
            yield f"video: {file} (pair {number + 1})"
