"""A report as tables for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from gyrax.evaluation.scores import ORDER
from gyrax.report.features import feature_table, position_line
from gyrax.runtime.console import make_table

SHOWN = 4


def report_tables(report: dict[str, Any]) -> list[Table]:
    """The tables of every horizon that was measured, those of features first; the scalars stand under the
    last one."""
    blocks = [report]
    if "long" in report:
        blocks.append(report["long"])
    measured = [block for block in blocks if block["horizon"]]
    tables = [_features(block, report["split"]) for block in measured]
    tables += [_table(block, report["split"]) for block in measured]
    if "distances" in report:
        tables.append(_distances(report))
    notes = [block["note"] for block in blocks if "note" in block]
    lines = [*notes, *(f"{name}: {value:.4g}" for name, value in scalars(report).items())]
    lines += [position_line(report)] if "position_error_cm" in report else []
    tables[-1].caption = "\n".join([*lines, *_uncertainty_lines(report)])
    return tables


def scalars(report: dict[str, Any]) -> dict[str, float]:
    """The single numbers of a report, by name in words."""
    return {
        name.replace("_", " "): value
        for name, value in report.items()
        if isinstance(value, float) and name != "skill_mean"
    }


def thinned(values: Sequence[Any], most: int) -> list:
    """At most `most` of some values, evenly spread, first and last among them."""
    last = len(values) - 1
    return [values[i] for i in sorted({round(k * last / (most - 1)) for k in range(most)})]


def _uncertainty_lines(report: dict[str, Any]) -> list[str]:
    if "uncertainty" not in report:
        return []
    scores = report["uncertainty"]
    row = lambda values: "  ".join(f"{v:.3f}" for v in values)
    return [
        temperature_line(report),
        f"energy score: {row(scores['energy_score'])}",
        f"coverage of 50 % balls: {row(scores['coverage']['50'])}",
        f"coverage of 90 % balls: {row(scores['coverage']['90'])}",
    ]


def temperature_line(report: dict[str, Any]) -> str:
    """At which temperature each seed's samples were drawn, and where it is from."""
    scores = report["uncertainty"]
    drawn = ", ".join(f"{t:.4g}" for t in scores["temperature"])
    if not scores["calibrated"]:
        return f"temperature: {drawn} (as trained)"
    return (
        f"temperature: {drawn} in the median window; in proportion to the squared distance of its "
        "first frame's forecast from a regression's, calibrated on validation episodes"
    )


def _distances(report: dict[str, Any]) -> Table:
    """How distance ranks with time."""
    found = report["distances"]
    bands = list(found["frames"])
    heads = [f"{name} ({low}–{high} frames)" for name, (low, high) in found["frames"].items()]
    title = (
        f"{report['split']} episodes: rank correlation of distance and frames between, "
        f"{found['pairs']} pairs, with 95 % interval"
    )
    table = make_table(["", *heads, "distortion"], title=title)
    for name, row in found["rows"].items():
        values = [*(row["spearman"][band] for band in bands), row["distortion"]]
        cells = (f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in values)
        table.add_row(name.replace("_", " "), *cells)
    return table


def _title(block: dict[str, Any], split: str, what: str) -> str:
    windows = f"{block['windows']} windows of {block['episodes']} episodes"
    return f"{split} episodes: {windows}, {what}, with 95 % interval"


def _features(block: dict[str, Any], split: str) -> Table:
    head, rows = feature_table(block)
    table = make_table(head, title=_title(block, split, "RMSE of standardised features"))
    for row in rows:
        table.add_row(*row)
    return table


def _table(block: dict[str, Any], split: str) -> Table:
    """Geodesic errors by frames ahead (four of them, if there are more), mean with interval, and skill."""
    steps = block["horizon"]
    shown = thinned(range(len(steps)), SHOWN)
    table = make_table(
        ("", *(str(steps[i]) for i in shown), "mean", "interval", "skill"),
        title=_title(block, split, "geodesic error in our latent by frames ahead, mean"),
    )
    for name in (n for n in ORDER if n in block):
        found = block[name]
        cells = [f"{found['geodesic'][i]:.3f}" for i in shown] + [f"{found['geodesic_mean']:.3f}"]
        low, high = (found[f"geodesic_mean_{end}"] for end in ("low", "high"))
        skill = found.get("skill_mean")
        cells += [f"{low:.2f}-{high:.2f}", "" if skill is None else f"{skill:.3f}"]
        table.add_row(name.replace("_", " "), *cells)
    return table
