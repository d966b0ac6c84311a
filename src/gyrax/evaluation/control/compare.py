"""Closed loop, for a model and everyone beside it, on the same pairs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.closed_loop import AT_ONCE, Outcome, run
from gyrax.evaluation.control.contenders import MODEL, NAMES, Contenders
from gyrax.evaluation.control.pairs import LeftOut, Pair
from gyrax.evaluation.intervals import BANDS, Bootstrap, thirds
from gyrax.planning.controller import Controller
from gyrax.runtime.console import make_progress

LATENCIES = 40
"""Plans for one episode that are timed, after the first ones."""
WARM = 2


@dataclass
class Comparison:
    """What came out, in the order in which it was run; one that was interrupted has less.

    **Fields:** `pairs`, how many were `left` out, and the frames an actor has, its `budget`; `outcomes` by
    name; `ways`, how long the shortest way of each pair is, where the environment knows; `absent`, why a name
    has none; `latency`, seconds a plan; `interrupted`.
    """

    pairs: list[Pair]
    left: LeftOut
    budget: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    ways: Float[np.ndarray, " E"] | None = None
    absent: dict[str, str] = field(default_factory=dict)
    latency: Float[np.ndarray, " plans"] = field(default_factory=lambda: np.zeros(0))
    interrupted: bool = False

    def rows(self) -> dict[str, dict[str, Any]]:
        """Success, with its interval, and what else is told of every outcome."""
        return {name: self._row(name, outcome) for name, outcome in self.outcomes.items()}

    def _row(self, name: str, outcome: Outcome) -> dict[str, Any]:
        held, count = outcome.held, len(outcome)
        low, high = wilson(int(held.sum()), count)
        row: dict[str, Any] = {
            "success": float(held.mean()),
            "low": low,
            "high": high,
            "count": count,
            "ever": float(outcome.ever.mean()),
            "final_distance": float(np.median(outcome.distance[:, -1])),
            "frames_to_success": _median(outcome.frames_to_success),
            "ended_early": int((outcome.ended < outcome.distance.shape[1]).sum()),
        }
        if self.ways is not None:
            third = thirds(self.ways)[:count]
            shares = {band: held[third == i] for i, band in enumerate(BANDS)}
            row["by_way"] = {b: float(h.mean()) if len(h) else None for b, h in shares.items()}
        if name != MODEL and MODEL in self.outcomes:
            ours = self.outcomes[MODEL].held[:count]
            both = (h[: len(ours), None].astype(float) for h in (ours, held))
            difference = Bootstrap(np.arange(len(ours))).difference(*both).scalar()
            row |= difference.entries("gyrax_minus_this")
        return row


def wilson(successes: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z, share = 1.959964, successes / count
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = ((middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count))
    return float(max(low, 0.0)), float(min(high, 1.0))


def _median(values: np.ndarray) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmedian(values))


def compare(
    contenders: Contenders,
    bridges: Sequence[Bridge],
    pairs: list[Pair],
    left: LeftOut,
    *,
    against: Sequence[str],
    budget: int,
    oracle_pairs: int,
    console: Console,
) -> Comparison:
    """Run the model and those beside it; Ctrl-C ends it with the episodes that are done.

    The oracle runs on the first `oracle_pairs` pairs only: it is slow.
    """
    ends = (np.stack(part) for part in ([p.frames[-1] for p in pairs], [p.goal for p in pairs]))
    found = Comparison(pairs, left, budget, ways=bridges[0].way_lengths(*ends))
    try:
        for name in (MODEL, *(n for n in NAMES if n in against)):
            why = _why_not(name, pairs, bridges[0])
            if why is None:
                chosen = pairs[:oracle_pairs] if name == "oracle" else pairs
                why = _row(name, contenders, bridges, chosen, budget, found, console)
            if why is not None:
                found.absent[name] = why
        found.latency = latencies(contenders, bridges, pairs)
    except KeyboardInterrupt:
        found.interrupted = True
        if not found.outcomes:
            raise
    return found


def _why_not(name: str, pairs: Sequence[Pair], bridge: Bridge) -> str | None:
    """Why a row cannot be, if so."""
    if name == "replay" and any(p.replay is None for p in pairs):
        return "goals are the environment's own, so that none was recorded."
    if name == "oracle" and not bridge.can_restore:
        return "the environment's state cannot be saved and restored."
    return None


def _row(
    name: str,
    contenders: Contenders,
    bridges: Sequence[Bridge],
    pairs: Sequence[Pair],
    budget: int,
    found: Comparison,
    console: Console,
) -> str | None:
    """Run one actor; what hinders it if it cannot be made."""
    try:
        actor = contenders.make(name)
    except InputError as error:
        if name == MODEL:
            raise
        return str(error)
    with make_progress(console, unit="frames") as progress:
        task = progress.add_task(name.replace("_", " "), total=budget * len(pairs))
        count = lambda frames: progress.update(task, advance=frames)
        judge = contenders.assignment.judge
        for outcome in run(actor, bridges, pairs, judge, budget, count):
            found.outcomes[name] = outcome  # kept, should the next episodes be interrupted
    return None


def latencies(
    contenders: Contenders, bridges: Sequence[Bridge], pairs: Sequence[Pair]
) -> Float[np.ndarray, " plans"]:
    """Seconds that plans for a single episode take, compilation aside."""
    actor, judge = contenders.make(MODEL), contenders.assignment.judge
    controller: Controller = actor.controller  # pyright: ignore[reportAttributeAccessIssue]
    seconds: list[float] = []
    plan = controller.replan

    def timed() -> None:
        began = time.perf_counter()
        plan()
        seconds.append(time.perf_counter() - began)

    controller.replan = timed  # pyright: ignore[reportAttributeAccessIssue]
    frames = (LATENCIES + WARM) * controller.every
    for _ in run(actor, bridges[:1], pairs[:1], judge, frames):
        pass
    return np.array(seconds[WARM:])


def chosen_rows(text: str) -> tuple[str, ...]:
    """The rows that are named: `all`, `none`, or a comma-separated list. Raises `InputError` for another."""
    if text in ("all", "none"):
        return NAMES if text == "all" else ()
    names = tuple(part.strip() for part in text.split(","))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise InputError(
            f"--against: there is no row {unknown[0]!r}; give all, none, or some of {', '.join(NAMES)}."
        )
    return names


def simulators(id: str, arguments: dict[str, Any], repeat: int, count: int) -> list[Bridge]:
    """As many as run side by side for that many episodes."""
    return [Bridge.make(id, arguments, repeat) for _ in range(min(count, AT_ONCE))]
