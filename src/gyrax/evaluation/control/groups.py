"""Which groups of columns end where the goal has them: a cube may be right while the arm is not."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from gyrax.evaluation.control.closed_loop import Outcome
from gyrax.evaluation.control.pairs import Pair
from gyrax.planning.assignment import TOLERANCE
from gyrax.planning.robot import short
from gyrax.planning.setup import Task


def column_groups(columns: Sequence[str]) -> dict[str, Int[np.ndarray, " G"]]:
    """Columns by what they share, in order of appearance, each group named as a pattern.

    `tip.x` and `tip.y` are components of one vector, as any last part of one or two characters or of digits
    is (`tip.*`). Else the part binds that more columns have, the first if as many: of `elbow.pos`,
    `wrist.pos` and `elbow.vel` the last (`*.pos`). A name in one part goes by its key in the data set
    (`observation.state.*`).
    """
    parts = []
    for column in columns:
        name = short(column)
        head, _, tail = (name if "." in name else column).rpartition(".")
        parts.append((f"{head}.*" if head else "*", f"*.{tail}"))
    heads, tails = (Counter(names) for names in zip(*parts, strict=True))
    groups: dict[str, list[int]] = {}
    for number, (head, tail) in enumerate(parts):
        component = len(tail) <= len("*.qw") or tail[2:].isdigit()
        by_head = component or heads[head] >= tails[tail]
        groups.setdefault(head if by_head else tail, []).append(number)
    return {name: np.array(numbers) for name, numbers in groups.items()}


def groups_held(
    outcome: Outcome, pairs: Sequence[Pair], columns: Sequence[str], std: Float[np.ndarray, " F"]
) -> dict[str, Bool[np.ndarray, " E"]]:
    """For each group the episodes in which it was within 0.25 of the goal in each of the last frames.

    Measured as the root mean square over its columns in standard deviations `std` of the data. Columns that
    are constant in the data (0) are left out.
    """
    goals = np.stack([p.goal for p in pairs[: len(outcome)]])
    held = {}
    for name, group in column_groups(columns).items():
        kept = group[std[group] > 0]
        if kept.size:
            far = Task(tuple(kept.tolist()), std[kept]).far(outcome.frames, goals[:, None])
            held[name] = (far <= TOLERANCE).all(axis=1)
    return held
