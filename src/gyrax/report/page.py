"""One self-contained page a run: its tables and figures, with nothing to fetch and no scripts."""

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from gyrax.evaluation.evaluate import Evaluation
from gyrax.evaluation.scores import ORDER
from gyrax.report.features import ENDS, Rows, feature_table, position_line, summary_table
from gyrax.report.figures import report_figures
from gyrax.report.tables import scalars, temperature_line, thinned
from gyrax.runtime.files import written_whole
from gyrax.training.run_folder import LOG_FILE

COLUMNS = 8
"""Most horizon steps in a table."""


def _error_rows(block: dict[str, Any]) -> Rows:
    rows = []
    for name in (n for n in ORDER if n in block):
        errors = block[name]
        ends = zip(*(errors[f"geodesic{end}"] for end in ENDS), strict=True)
        cells = [f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in ends]
        rows.append([name.replace("_", " "), *thinned(cells, COLUMNS)])
    return rows


def _difference_rows(block: dict[str, Any]) -> Rows:
    rows = []
    for name, difference in block["differences"].items():
        value, low, high = (difference[f"geodesic_mean{end}"] for end in ENDS)
        verdict = "better" if high < 0 else "worse" if low > 0 else "not decided"
        rows.append(
            [name.replace("_", " "), f"{value:+.3f}", f"[{low:+.3f}, {high:+.3f}]", verdict]
        )
    return rows


def _block_tables(block: dict[str, Any]) -> list[tuple[str, list[str], Rows]]:
    """The tables of one horizon, each as heading, columns and rows."""
    if not block["horizon"]:
        return []
    steps = ["frames ahead", *map(str, thinned(block["horizon"], COLUMNS))]
    return [
        ("RMSE of standardised features", *feature_table(block)),
        ("Geodesic error in our latent", steps, _error_rows(block)),
        (
            "Paired differences of geodesic error",
            ["model minus", "mean geodesic error", "95 % interval", "the model is"],
            _difference_rows(block),
        ),
    ]


def _uncertainty(report: dict[str, Any]) -> dict[str, Any] | None:
    if "uncertainty" not in report:
        return None
    scores = report["uncertainty"]
    rows = [["energy score", *(f"{v:.3f}" for v in scores["energy_score"])]]
    for mass in ("50", "90"):
        coverage = (scores["coverage"][f"{mass}{end}"] for end in ENDS)
        cells = [f"{v:.2f} [{low:.2f}, {high:.2f}]" for v, low, high in zip(*coverage, strict=True)]
        rows.append([f"coverage of {mass} % balls", *cells])
    return {
        "title": f"{scores['samples']} samples a window, {temperature_line(report)}",
        "head": ["frames ahead", *map(str, report["horizon"])],
        "rows": rows,
    }


def page(report: dict[str, Any], figures: dict[str, tuple[str, Path]]) -> str:
    """The page; `figures` are captions and files by name, the first of which stands above all else."""
    environment = Environment(loader=PackageLoader("gyrax.report", "."), autoescape=True)
    blocks = [report, report["long"]] if "long" in report else [report]
    pictures = [
        (caption, base64.b64encode(file.read_bytes()).decode())
        for caption, file in figures.values()
    ]
    return environment.get_template("page.html.jinja").render(
        title=f"{report['checkpoint']}, {report['split']} episodes",
        report=report,
        summary=summary_table(blocks),
        blocks=[block | {"tables": _block_tables(block)} for block in blocks],
        uncertainty=_uncertainty(report),
        first=pictures[0],
        figures=pictures[1:],
        positions=position_line(report) if "position_error_cm" in report else None,
        scalars=[[name, f"{value:.4g}"] for name, value in scalars(report).items()],
        view=f"gyrax view {Path(report['checkpoint']).parent}",
    )


def write_report(evaluation: Evaluation, run: Path) -> Path:
    """Draw the figures and write `report.html` (`report_val.html` for another split) into `run`, and the
    numbers beside it as JSON."""
    split = evaluation.report["split"]
    figures = report_figures(evaluation, run / LOG_FILE, run / "figures" / split)
    target = run / ("report.html" if split == "test" else f"report_{split}.html")
    with written_whole(target) as partial:
        partial.write_text(page(evaluation.report, figures))
    with written_whole(target.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(evaluation.report, indent=1))
    return target
