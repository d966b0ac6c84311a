"""What came out of planning in closed loop: as JSON, and as files in the run folder."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.compare import Comparison
from gyrax.evaluation.control.contenders import MODEL, Contenders
from gyrax.evaluation.control.groups import groups_held
from gyrax.report.control_cases import make_cases, write_films
from gyrax.report.control_figure import best_first, control_figure
from gyrax.report.control_page import control_page
from gyrax.runtime.console import print_lines
from gyrax.runtime.files import written_whole

FOLDER = "plan"


class Told(NamedTuple):
    """The report, and the page that shows it."""

    report: dict[str, Any]
    page: Path


def control_report(
    found: Comparison, bridge: Bridge, arguments: dict[str, Any], contenders: Contenders
) -> dict[str, Any]:
    """Everything measured, and what is needed to repeat it."""
    settings, assignment = contenders.settings, contenders.assignment
    columns = [assignment.robot.columns[c] for c in assignment.task.columns]
    milliseconds = 1e3 * found.latency
    percentile = lambda q: float(np.percentile(milliseconds, q)) if len(milliseconds) else None
    plans = found.budget / settings.replan_every if found.outcomes else 0
    return {
        "env": bridge.id,
        "env_args": arguments,
        "action_repeat": bridge.repeat,
        "checkpoint": str(contenders.checkpoint.path),
        "planning": vars(settings),
        "goal_columns": columns,
        "judged_by": "the environment" if assignment.judge.own else "distance",
        "tolerance": assignment.judge.tolerance or None,
        "goal_frames": contenders.ahead,
        "frames": found.budget,
        "pairs": _pairs(found),
        "left_out": vars(found.left),
        "rows": _rows(found, contenders),
        "absent": found.absent,
        "latency_ms": {"p50": percentile(50), "p95": percentile(95)},
        "model_evaluations": {
            "a_plan": settings.samples * settings.iterations * settings.horizon,
            "an_episode": round(plans * settings.samples * settings.iterations * settings.horizon),
        },
        "interrupted": found.interrupted,
    }


def _rows(found: Comparison, contenders: Contenders) -> dict[str, Any]:
    """The rows, each with the share of episodes in which a group of columns ended at the goal."""
    columns, std = contenders.assignment.robot.columns, contenders.checkpoint.normaliser.feature_std
    rows = found.rows()
    for name, outcome in found.outcomes.items():
        held = groups_held(outcome, found.pairs, columns, std)
        rows[name]["groups"] = {group: float(share.mean()) for group, share in held.items()}
    return rows


def _pairs(found: Comparison) -> list[dict[str, Any]]:
    """What a pair is made again from, and which rows reached its goal and kept to it."""
    held = {name: outcome.held.tolist() for name, outcome in found.outcomes.items()}
    return [
        {
            "seed": pair.seed,
            "episode": pair.episode,
            "frame": pair.frame,
            **({} if found.ways is None else {"way": float(found.ways[number])}),
            "solved_by": [name for name, row in held.items() if number < len(row) and row[number]],
        }
        for number, pair in enumerate(found.pairs)
    ]


def write_control(
    found: Comparison,
    bridge: Bridge,
    arguments: dict[str, Any],
    contenders: Contenders,
    video: Path | None,
    console: Console,
) -> Told:
    """Write `report.json`, `figure.png` and `report.html` into the run's folder, and films into `video`.

    Where the environment renders nothing, one line on the console says so, and there are no pictures.
    """
    report = control_report(found, bridge, arguments, contenders)
    folder, judge = contenders.cache.run / FOLDER, contenders.assignment.judge
    with written_whole(folder / "report.json") as partial:
        partial.write_text(json.dumps(report, indent=1))
    figure = control_figure(found, judge.tolerance, folder / "figure.png")
    outcome = found.outcomes[MODEL]
    cases = make_cases(bridge, found.pairs, outcome, judge, console)
    page = folder / "report.html"
    with written_whole(page) as partial:
        partial.write_text(control_page(report, best_first(found), figure, cases, bridge.fps))
    if video is not None and any(case.film for case in cases):
        print_lines(write_films(video, bridge, found.pairs, outcome, judge), console)
    return Told(report, page)
