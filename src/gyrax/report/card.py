"""The model card of an exported model: what it is, what it was trained on, and how well it predicts."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gyrax._errors import InputError
from gyrax._version import __version__
from gyrax.report.features import feature_table, position_line
from gyrax.training.checkpoint import SYSTEM, Checkpoint, checkpoints_in
from gyrax.training.presets import DEFAULT, differences, load_preset
from gyrax.training.run_folder import FIGURE

REPORT = "report.json"
LICENSE = re.compile(r"[a-z0-9][a-z0-9.\-]*")


def check_license(name: str) -> None:
    """Raises `InputError` for what cannot be a licence's identifier on the Hub."""
    if not LICENSE.fullmatch(name):
        raise InputError(
            f"--license is {name!r}; give an identifier in small letters, such as apache-2.0, mit, "
            "cc-by-4.0 or other."
        )


def run_figures(checkpoint: Path) -> dict[str, Path]:
    """The figure that training drew, by its name in the card, where it is of this checkpoint."""
    run = checkpoint.parent
    file, there = run / FIGURE, checkpoints_in(run)
    last = not there or there[-1].name == checkpoint.name
    return {FIGURE: file} if last and file.is_file() else {}


def model_card(
    checkpoint: Checkpoint, *, name: str, license: str, figures: Sequence[str] = ()
) -> str:
    """The card, in Markdown with the head that the Hub reads; `figures` lie beside it."""
    meta, settings = checkpoint.meta, checkpoint.meta.settings
    environment = Environment(
        loader=PackageLoader("gyrax.report", "."), undefined=StrictUndefined, autoescape=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["cell"] = cell
    changed = differences(load_preset(DEFAULT), settings)
    report = _report(checkpoint)
    return environment.get_template("card.md.jinja").render(
        name=name, license=license, version=__version__, meta=meta, settings=settings,
        sources=[Path(part).name for part in meta.source.split(", ")],
        parameters=sum(v.size for k, v in checkpoint.arrays.items() if k.startswith(SYSTEM)),
        changed=[(leaf.name, str(there), str(here)) for leaf, (there, here) in changed.items()],
        report=report, tables=[] if report is None else _tables(report),
        positions=position_line(report) if report and "position_error_cm" in report else None,
        figures=figures,
    )  # fmt: skip


def cell(text: Any) -> str:
    """A text as the cell of a table: one line, and no mark that ends the cell."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _report(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """What `evaluate` wrote of this checkpoint on the test episodes, if it did."""
    file = checkpoint.path.parent / REPORT
    if not file.is_file():
        return None
    try:
        report = json.loads(file.read_bytes())
        return report if Path(report["checkpoint"]).name == checkpoint.path.name else None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file}: is damaged; remove it, or evaluate the run again.") from None


def _tables(report: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    blocks = [report, report["long"]] if "long" in report else [report]
    tables = []
    for block in (b for b in blocks if b["horizon"]):
        head, rows = feature_table(block)
        title = f"{block['windows']} windows of {block['episodes']} {report['split']} episodes"
        tables.append((title, head, rows))
    return tables
