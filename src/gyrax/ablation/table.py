"""The results of an ablation as tables, in three formats and for the terminal."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from gyrax.ablation.variants import REFERENCE
from gyrax.evaluation.intervals import Bootstrap
from gyrax.runtime.console import make_table
from gyrax.runtime.files import written_whole

COLUMNS = (
    "variant", "seeds", "error", "error_low", "error_high", "last", "last_low", "last_high",
    "difference", "difference_low", "difference_high", "diverged",
)  # fmt: skip


def diverged_seeds(group: list[dict[str, Any]]) -> list[int]:
    """Of the cells of one variant, the seeds of those that diverged."""
    return [cell["seed"] for cell in group if "diverged" in cell]


def summarise(cells: dict[str, list[dict[str, Any]]], split: str) -> dict[str, Any]:
    """One row a variant: RMSE of standardised features over all steps and at the last one, and the paired
    difference to the reference, each with its interval by bootstrap over episodes.

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
        whole = own.mean(-1, keepdims=True)
        row |= bootstrap.root_mean(whole).scalar().entries("error")
        row |= bootstrap.root_mean(own[..., -1:]).scalar().entries("last")
        row["per_seed"] = np.sqrt(whole.mean((1, 2))).tolist()
        if name != REFERENCE:
            found = bootstrap.root_difference(whole, base.mean(-1, keepdims=True))
            row |= found.scalar().entries("difference")
        rows.append(row)
    return {"split": split, "episodes": kept, "horizon": base.shape[-1], "rows": rows}


def _cells(row: dict[str, Any]) -> list[str]:
    if "diverged" in row:
        return [row["variant"], str(row["seeds"]), divergence(row), "", ""]
    spans = [
        f"{row[k]:.4f} [{row[f'{k}_low']:.4f}, {row[f'{k}_high']:.4f}]" for k in ("error", "last")
    ]
    if "difference" in row:
        ends = f"[{row['difference_low']:+.4f}, {row['difference_high']:+.4f}]"
        return [row["variant"], str(row["seeds"]), *spans, f"{row['difference']:+.4f} {ends}"]
    return [row["variant"], str(row["seeds"]), *spans, ""]


def divergence(row: dict[str, Any]) -> str:
    """Which seeds of a variant diverged, in words."""
    seeds = row["diverged"]
    return f"diverged with seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _head(summary: dict[str, Any]) -> list[str]:
    horizon = summary["horizon"]
    return ["variant", "seeds", f"steps 1 to {horizon}", f"step {horizon}", "minus reference"]


def console_table(summary: dict[str, Any]) -> Table:
    """The table for the terminal."""
    episodes, split = len(summary["episodes"]), summary["split"]
    table = make_table(
        _head(summary),
        title=f"RMSE of standardised features on {episodes} {split} episodes, with 95 % intervals; "
        "differences are paired by seed and episode",
    )
    for row in summary["rows"]:
        table.add_row(*_cells(row))
    return table


def _markdown(summary: dict[str, Any]) -> str:
    lines = [_head(summary), ["---"] * 5, *(_cells(row) for row in summary["rows"])]
    note = (
        f"RMSE of standardised features on {len(summary['episodes'])} {summary['split']} episodes, with its "
        "95 % interval by bootstrap over episodes; differences are paired by seed and episode.\n"
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n" + note


def _csv(summary: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary["rows"])
    return text.getvalue()


def write_tables(summary: dict[str, Any], out: Path) -> list[Path]:
    """Write table.md, table.csv and table.json. Returns their paths."""
    contents = {
        "table.md": _markdown(summary),
        "table.csv": _csv(summary),
        "table.json": json.dumps(summary, indent=1),
    }
    for name, text in contents.items():
        with written_whole(out / name) as partial:
            partial.write_text(text)
    return [out / name for name in contents]
