"""The results of an ablation: tables in three formats and one figure."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from gyrax.ablation.variants import REFERENCE
from gyrax.evaluation.intervals import Bootstrap
from gyrax.runtime.files import written_whole

FAR = 5.0
"""How many times the least error the largest has to be for the figure to have logarithmic axes."""
COLUMNS = (
    "variant", "seeds", "error", "error_low", "error_high", "last", "last_low", "last_high",
    "difference", "difference_low", "difference_high", "diverged",
)  # fmt: skip


def diverged_seeds(group: list[dict[str, Any]]) -> list[int]:
    """Of the cells of one variant, the seeds of those that diverged."""
    return [cell["seed"] for cell in group if "diverged" in cell]


def summarise(cells: dict[str, list[dict[str, Any]]], split: str) -> dict[str, Any]:
    """One row a variant: mean error and error at the last step, and the paired difference to the
    reference, each with its interval by bootstrap over episodes, averaged over seeds.

    An episode counts once, however long it is; only episodes that every variant has are counted. A
    variant of which a seed diverged has no numbers; the reference must not be one.
    """
    lost = {name: diverged_seeds(group) for name, group in cells.items()}
    whole = [c for name, group in cells.items() if not lost[name] for c in group]
    shared = set.intersection(*(set(c["episodes"]) for c in whole))
    kept = sorted(shared)

    def values(group: list[dict[str, Any]]) -> np.ndarray:
        by_episode = [dict(zip(c["episodes"], c["errors"], strict=True)) for c in group]
        return np.asarray([[found[e] for e in kept] for found in by_episode])

    bootstrap = Bootstrap(np.arange(len(kept)))
    base = values(cells[REFERENCE])
    rows = []
    for name, group in cells.items():
        row: dict[str, Any] = {"variant": name, "seeds": len(group)}
        if lost[name]:
            rows.append(row | {"diverged": lost[name]})
            continue
        own = values(group)
        row |= bootstrap.total_mean(own).entries("error")
        row |= bootstrap.mean(own[..., -1:]).scalar().entries("last")
        row["per_seed"] = own.mean((1, 2)).tolist()
        if name != REFERENCE:
            means = (own.mean(-1, keepdims=True), base.mean(-1, keepdims=True))
            row |= bootstrap.difference(*means).scalar().entries("difference")
        rows.append(row)
    return {"split": split, "episodes": kept, "horizon": base.shape[-1], "rows": rows}


def _cells(row: dict[str, Any]) -> list[str]:
    if "diverged" in row:
        return [row["variant"], str(row["seeds"]), _divergence(row), "", ""]
    spans = [
        f"{row[k]:.4f} [{row[f'{k}_low']:.4f}, {row[f'{k}_high']:.4f}]" for k in ("error", "last")
    ]
    if "difference" in row:
        ends = f"[{row['difference_low']:+.4f}, {row['difference_high']:+.4f}]"
        return [row["variant"], str(row["seeds"]), *spans, f"{row['difference']:+.4f} {ends}"]
    return [row["variant"], str(row["seeds"]), *spans, ""]


def _divergence(row: dict[str, Any]) -> str:
    seeds = row["diverged"]
    return f"diverged with seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _head(summary: dict[str, Any]) -> list[str]:
    horizon = summary["horizon"]
    return ["variant", "seeds", f"mean of {horizon} steps", f"step {horizon}", "minus reference"]


def console_table(summary: dict[str, Any]) -> Table:
    """The table for the terminal."""
    table = Table(
        title=f"geodesic error on {len(summary['episodes'])} {summary['split']} episodes, with 95 % "
        "intervals; differences are paired by seed and episode",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for i, column in enumerate(_head(summary)):
        table.add_column(column, justify="right" if i else "left")
    for row in summary["rows"]:
        table.add_row(*_cells(row))
    return table


def _markdown(summary: dict[str, Any]) -> str:
    lines = [_head(summary), ["---"] * 5, *(_cells(row) for row in summary["rows"])]
    note = (
        f"Geodesic error on {len(summary['episodes'])} {summary['split']} episodes, mean and 95 % "
        "interval by bootstrap over episodes; differences are paired by seed and episode.\n"
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n" + note


def _csv(summary: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary["rows"])
    return text.getvalue()


def write_tables(summary: dict[str, Any], out: Path) -> list[Path]:
    """Write table.md, table.csv, table.json and ablation.png. Returns their paths."""
    contents = {
        "table.md": _markdown(summary),
        "table.csv": _csv(summary),
        "table.json": json.dumps(summary, indent=1),
    }
    for name, text in contents.items():
        with written_whole(out / name) as partial:
            partial.write_text(text)
    return [*(out / name for name in contents), draw_ablation(summary, out / "ablation.png")]


def draw_ablation(summary: dict[str, Any], file: Path) -> Path:
    """Mean error of every variant, its seeds as dots, and its difference to the reference."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = summary["rows"]
    at = np.arange(len(rows))[::-1]
    height = 1.4 + 0.34 * len(rows)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, height), sharey=True)
    for y, row in zip(at, rows, strict=True):
        if "diverged" in row:
            left.text(0.02, y, _divergence(row), transform=left.get_yaxis_transform(), va="center")
            continue
        colour = "#22223b" if row["variant"] == REFERENCE else "#2e86ab"
        left.plot([row["error_low"], row["error_high"]], [y, y], color=colour, lw=2)
        left.plot(row["per_seed"], [y] * row["seeds"], "o", color=colour, ms=3, alpha=0.4)
        left.plot(row["error"], y, "o", color=colour, ms=6)
        if "difference" in row:
            low, high = row["difference_low"], row["difference_high"]
            colour = "#5b8c5a" if high < 0 else "#d1495b" if low > 0 else "#8d99ae"
            right.plot([low, high], [y, y], color=colour, lw=2)
            right.plot(row["difference"], y, "o", color=colour, ms=6)
    errors = [row["error"] for row in rows if "error" in row]
    if max(errors) > FAR * min(errors):  # else the others would lie on top of each other
        left.set_xscale("log")
        right.set_xscale("symlog", linthresh=min(errors) / 100)  # a percent is no difference
    right.margins(x=0.08)  # of the scale just set, so that no point lies on the frame
    right.axvline(0, color="#22223b", lw=0.8)
    left.set_yticks(at, [row["variant"] for row in rows])
    left.set_ylim(-0.6, len(rows) - 0.4)
    left.set_xlabel(f"mean geodesic error over {summary['horizon']} steps")
    right.set_xlabel("minus the reference (green: better)")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#eef0f4", lw=0.8)
        ax.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(file, dpi=130)
    plt.close(figure)
    return file
