"""One self-contained page of closed loop: the rows, the figure, and cases that play when clicked."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader

from gyrax.evaluation.control.closed_loop import LAST
from gyrax.planning.assignment import TOLERANCE
from gyrax.planning.robot import short
from gyrax.report.control_cases import HEIGHT, Case
from gyrax.report.control_tables import HEAD, row_cells

QUALITY = 80
"""Of the pictures, as JPEG counts it."""
PLAYED = 0.85
"""The share of its time in which a film plays; then its last picture stands. The template has it too."""
LEFT, RIGHT, TOP, BOTTOM = 10, 210, 14, 160
"""The frame of a curve, in pixels. The template has it too."""


def jpeg(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """The picture as an address that holds it."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def control_page(
    report: dict[str, Any], names: Sequence[str], figure: Path, cases: Sequence[Case], fps: float
) -> str:
    """The page; `names` are the rows in the order in which they stand."""
    environment = Environment(loader=PackageLoader("gyrax.report", "."), autoescape=True)
    widths = [case.film[0].shape[1] for case in cases if case.film]
    return environment.get_template("control.html.jinja").render(
        title=f"{report['env']}: planning in closed loop",
        report=report,
        goal_columns=[short(name) for name in report["goal_columns"]],
        last=LAST,
        group_tolerance=TOLERANCE,
        rows={"head": HEAD, "rows": [row_cells(name, report["rows"][name]) for name in names]},
        groups=_groups(report, names),
        pairs=_pairs(report),
        figure=base64.b64encode(figure.read_bytes()).decode(),
        cases=[_shown(case, report["tolerance"], fps) for case in cases],
        pictures=bool(widths),
        film_width=widths[0] if widths else 0,
        film_height=HEIGHT,
    )


def _groups(report: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    shares = {name: report["rows"][name]["groups"] for name in names}
    groups = list(shares[names[0]])
    rows = [[n.replace("_", " "), *(f"{shares[n][g]:.0%}" for g in groups)] for n in names]
    return {"head": ["", *groups], "rows": rows}


def _pairs(report: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for number, pair in enumerate(report["pairs"], 1):
        solved = ", ".join(pair["solved_by"]).replace("_", " ")
        rows.append([str(number), *(str(pair[k]) for k in ("seed", "episode", "frame")), solved])
    return {"head": ["pair", "seed", "episode", "frame", "reached and kept by"], "rows": rows}


def _shown(case: Case, tolerance: float | None, fps: float) -> dict[str, Any]:
    """What the template needs of a case."""
    across = lambda frame: LEFT + (RIGHT - LEFT) * frame / case.budget
    top = 1.05 * max(float(case.distance.max()), tolerance or 0.0)
    down = lambda distance: round(BOTTOM - (BOTTOM - TOP) * distance / top, 1)
    points = (f"{across(i):.1f},{down(d)}" for i, d in enumerate(case.distance.tolist()))
    ended = len(case.distance) - 1
    end = f" (the environment ended it after {ended} frames)" if ended < case.budget else ""
    verdict = (
        "reached and kept" if case.held else "reached, not kept" if case.ever else "not reached"
    )
    shown: dict[str, Any] = {
        "number": case.number + 1,
        "held": case.held,
        "verdict": verdict + end,
        "change": f"{case.distance[0]:.2f} to {case.distance[-1]:.2f}",
        "curve": " ".join(points),
        "tolerance": down(tolerance) if tolerance else None,
        "top": f"{top:.2f}",
        "film": None,
    }
    if case.film:
        goal = [] if case.goal is None else [("goal", case.goal)]
        stills = [("start", case.film[0]), *goal, ("end", case.film[-1])]
        shown |= {
            "stills": [(caption, jpeg(picture)) for caption, picture in stills],
            "film": jpeg(np.hstack(case.film)),
            "steps": len(case.film) - 1,
            "seconds": round(ended / fps / PLAYED, 2),
            "end": round(across(ended) - LEFT, 1),
        }
    return shown
