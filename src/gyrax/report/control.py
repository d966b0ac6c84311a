"""What came out of planning in closed loop: as JSON, as a table, and as files in the run folder."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.compare import Comparison
from gyrax.evaluation.control.contenders import Contenders
from gyrax.runtime.console import make_table
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
        "checkpoint": str(contenders.checkpoint.path),
        "planning": vars(settings),
        "goal_columns": columns,
        "judged_by": "the environment" if assignment.judge.own else "distance",
        "tolerance": assignment.judge.tolerance or None,
        "goal_frames": contenders.ahead,
        "frames": found.budget,
        "pairs": [{"seed": p.seed, "episode": p.episode, "frame": p.frame} for p in found.pairs],
        "left_out": vars(found.left),
        "rows": found.rows(),
        "absent": found.absent,
        "latency_ms": {"p50": percentile(50), "p95": percentile(95)},
        "model_evaluations": {
            "a_plan": settings.samples * settings.iterations * settings.horizon,
            "an_episode": round(plans * settings.samples * settings.iterations * settings.horizon),
        },
        "interrupted": found.interrupted,
    }


def write_control(
    found: Comparison,
    bridge: Bridge,
    arguments: dict[str, Any],
    contenders: Contenders,
    video: Path | None,
    console: Console,
) -> Told:
    """Write the report, and draw what can be drawn."""
    report = control_report(found, bridge, arguments, contenders)
    folder = contenders.cache.run / FOLDER
    page = folder / "report.json"
    with written_whole(page) as partial:
        partial.write_text(json.dumps(report, indent=1))
    return Told(report, page)


def control_tables(report: dict[str, Any]) -> list[Table]:
    """One row an actor, the best first, with what hinders those that are absent below."""
    latency = report["latency_ms"]
    caption = [f"{name.replace('_', ' ')}: absent; {why}" for name, why in report["absent"].items()]
    if latency["p50"] is not None:
        caption.append(f"a plan takes {latency['p50']:.0f} ms, 95 % within {latency['p95']:.0f} ms")
    left = report["left_out"]
    caption.append(
        f"left out: {left['solved']} solved at the start, {left['still']} in which the goal hardly moves, "
        f"{left['short']} too short"
    )
    if report["interrupted"]:
        caption.append("interrupted: rows that were not finished are missing")
    table = make_table(
        ["", "pairs", "success", "95 % interval", "ever", "distance", "frames", "gyrax less this"],
        title=f"{report['env']}: goal {report['goal_frames']} frames away, {report['frames']} to reach it; "
        "success: reached and kept over the last 10",
        caption="\n".join(caption),
    )
    for name, row in report["rows"].items():
        difference = ""
        if "gyrax_minus_this" in row:
            values = (row[f"gyrax_minus_this{end}"] for end in ("", "_low", "_high"))
            difference = "{:+.0%} [{:+.0%}, {:+.0%}]".format(*values)
        frames = row["frames_to_success"]
        table.add_row(
            name.replace("_", " "),
            str(row["count"]),
            f"{row['success']:.0%}",
            f"{row['low']:.0%} to {row['high']:.0%}",
            f"{row['ever']:.0%}",
            f"{row['final_distance']:.3f}",
            "" if frames is None else f"{frames:.0f}",
            difference,
        )
    return [table]
