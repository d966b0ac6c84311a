"""Errors in the data's own quantities, as rows of a table and a line."""

from typing import Any

from gyrax.evaluation.scores import ORDER

Rows = list[list[str]]


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


def _difference(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    value, low, high = (found[f"feature_rmse_mean{end}"] for end in ("", "_low", "_high"))
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


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
