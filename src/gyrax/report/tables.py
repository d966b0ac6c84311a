"""A report as tables for the terminal."""

from typing import Any

from rich import box
from rich.table import Table

from gyrax.evaluation.scores import ORDER

SHOWN = 4
KINDS = (("geodesic", "geodesic"), ("feature_rmse", "feature RMSE"))


def report_tables(report: dict[str, Any]) -> list[Table]:
    """The table of every horizon that was measured; the scalars stand under the last one."""
    blocks = [report]
    if "long" in report:
        blocks.append(report["long"])
    tables = [_table(block, report["split"]) for block in blocks if block["horizon"]]
    notes = [block["note"] for block in blocks if "note" in block]
    scalars = {k: v for k, v in report.items() if isinstance(v, float) and k != "skill_mean"}
    lines = [*notes, *(f"{k.replace('_', ' ')}: {v:.4g}" for k, v in scalars.items())]
    tables[-1].caption = "\n".join([*lines, *_uncertainty_lines(report)])
    return tables


def _uncertainty_lines(report: dict[str, Any]) -> list[str]:
    if "uncertainty" not in report:
        return []
    found = report["uncertainty"]
    row = lambda values: "  ".join(f"{v:.3f}" for v in values)
    return [
        temperature_line(report),
        f"energy score: {row(found['energy_score'])}",
        f"coverage of 50 % balls: {row(found['coverage']['50'])}",
        f"coverage of 90 % balls: {row(found['coverage']['90'])}",
    ]


def temperature_line(report: dict[str, Any]) -> str:
    """At which temperature each seed's samples were drawn, and where it is from."""
    found = report["uncertainty"]
    drawn = ", ".join(f"{t:.4g}" for t in found["temperature"])
    if not found["calibrated"]:
        return f"temperature: {drawn} (as trained)"
    return (
        f"temperature: {drawn} in the median window; in proportion to how far the last known frame is "
        "from its reconstruction, calibrated on validation episodes"
    )


def _table(block: dict[str, Any], split: str) -> Table:
    """Errors by frames ahead (four of them, if there are more), mean with interval, and skill."""
    table = Table(
        title=f"{split} episodes: {block['windows']} windows of {block['episodes']} episodes, "
        "error by frames ahead, mean with 95 % interval",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    steps = block["horizon"]
    shown = sorted({round(i * (len(steps) - 1) / (SHOWN - 1)) for i in range(SHOWN)})
    for i in shown:
        table.add_column(str(steps[i]), justify="right")
    for title in ("mean", "interval", "skill"):
        table.add_column(title, justify="right")
    for kind, title in KINDS:
        table.add_row(f"[bold]{title}[/bold]")
        for name in (n for n in ORDER if n in block):
            values = block[name][kind]
            cells = [f"{values[i]:.3f}" for i in shown] + [f"{sum(values) / len(values):.3f}"]
            if kind == "geodesic":
                low, high = (block[name][f"geodesic_mean_{end}"] for end in ("low", "high"))
                skill = block[name].get("skill_mean")
                cells += [f"{low:.2f}-{high:.2f}", "" if skill is None else f"{skill:.3f}"]
            table.add_row(f"  {name.replace('_', ' ')}", *cells)
    return table
