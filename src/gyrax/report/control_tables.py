"""What came out of planning in closed loop, as a table for the terminal."""

from typing import Any

from rich.table import Table

from gyrax.evaluation.intervals import BANDS
from gyrax.runtime.console import make_table

HEAD = ["", "pairs", "success", "95 % interval", "ever", "distance", "frames", "gyrax less this"]


def row_cells(name: str, row: dict[str, Any]) -> list[str]:
    """One row of a report, as texts under `HEAD`."""
    difference = [row.get(f"gyrax_minus_this{end}") for end in ("", "_low", "_high")]
    frames = row["frames_to_success"]
    return [
        name.replace("_", " "),
        str(row["count"]),
        f"{row['success']:.0%}",
        f"{row['low']:.0%} to {row['high']:.0%}",
        f"{row['ever']:.0%}",
        f"{row['final_distance']:.3f}",
        "" if frames is None else f"{frames:.0f}",
        "" if None in difference else "{:+.0%} [{:+.0%}, {:+.0%}]".format(*difference),
    ]


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
        caption.append("interrupted: what was not finished is missing")
    table = make_table(
        HEAD,
        title=f"{report['env']}: goal {report['goal_frames']} frames away, {report['frames']} to reach it; "
        "success: reached and kept over the last 10",
        caption="\n".join(caption),
    )
    for name, row in report["rows"].items():
        table.add_row(*row_cells(name, row))
    return [table, *_by_way(report)]


def _by_way(report: dict[str, Any]) -> list[Table]:
    """Success by the length of the shortest way, where the environment knows it."""
    rows = {name: row["by_way"] for name, row in report["rows"].items() if "by_way" in row}
    if not rows:
        return []
    table = make_table(["", *BANDS], title="success by thirds of the shortest way")
    for name, shares in rows.items():
        cells = ("" if shares[band] is None else f"{shares[band]:.0%}" for band in BANDS)
        table.add_row(name.replace("_", " "), *cells)
    return [table]
