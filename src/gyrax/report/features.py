"""Errors in the data's own quantities, as rows of a table and a line."""

from collections.abc import Sequence
from typing import Any

from gyrax.evaluation.scores import ORDER

Rows = list[list[str]]
ENDS = ("", "_low", "_high")
"""Of the names of a mean and its interval in a report."""


def feature_table(block: dict[str, Any]) -> tuple[list[str], Rows]:
    """Head and rows of one horizon: every forecast's RMSE at its first and last frame, over all frames,
    and by how much the model's is above it, with interval."""
    last = block["horizon"][-1]
    head = ["frames ahead", "1", str(last), f"1 to {last}", "the model minus it"]
    rows = []
    for name in (n for n in ORDER if n in block):
        found = block[name]["feature_rmse"]
        errors = (found[0], found[-1], block[name]["feature_rmse_mean"])
        cells = [f"{value:.4f}" for value in errors]
        rows.append([name.replace("_", " "), *cells, _difference(block["differences"].get(name))])
    return head, rows


def summary_table(blocks: Sequence[dict[str, Any]]) -> tuple[list[str], Rows]:
    """Head and rows of all horizons that were measured, side by side: every forecast's mean RMSE and by how
    much the model's is above it, both with intervals. The model is first."""
    measured = [block for block in blocks if block["horizon"]]
    head = ["RMSE of standardised features"]
    for block in measured:
        head += [f"frames 1 to {block['horizon'][-1]}", "the model minus it"]
    rows = []
    for name in (n for n in ORDER if any(n in block for block in measured)):
        cells = [name.replace("_", " ")]
        for block in measured:
            found = block.get(name)
            ends = [] if found is None else [found[f"feature_rmse_mean{end}"] for end in ENDS]
            cells.append("{:.3f} [{:.3f}, {:.3f}]".format(*ends) if ends else "")
            cells.append(_difference(block["differences"].get(name), 3))
        rows.append(cells)
    return head, rows


def _difference(found: dict[str, Any] | None, digits: int = 4) -> str:
    if found is None:
        return ""
    value, low, high = (f"{found[f'feature_rmse_mean{end}']:+.{digits}f}" for end in ENDS)
    return f"{value} [{low}, {high}]"


def position_line(report: dict[str, Any]) -> str:
    """Median errors of positions, of encoding alone and of the model's forecasts."""
    parts = []
    for name, found in report["position_error_cm"].items():
        frames, forecast = (
            " / ".join(f"{value:.3g}" for value in found[key]) for key in ("frames", "forecast")
        )
        parts.append(
            f"{name.replace('_', ' ')} {found['encoded']:.2g} encoded, {forecast} at frame {frames}"
        )
    return "median position error in cm: " + "; ".join(parts)
