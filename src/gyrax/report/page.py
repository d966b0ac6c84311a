"""One self-contained page a run: its tables and figures, with nothing to fetch and no scripts."""

import base64
import html
from pathlib import Path
from typing import Any

from gyrax.evaluation.evaluate import Evaluation
from gyrax.evaluation.scores import ORDER
from gyrax.report.figures import report_figures
from gyrax.report.tables import temperature_line
from gyrax.runtime.files import written_whole

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2em auto; padding: 0 1em;
       color: #22223b; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
td, th { padding: 3px 9px; text-align: right; border-bottom: 1px solid #e3e6ec; }
td:first-child, th:first-child { text-align: left; } .scroll { overflow-x: auto; }
img { max-width: 100%; } figure { margin: 1.5em 0; } figcaption { color: #5c6378; font-size: 13px; }
tr.model td { font-weight: 600; }
"""
Rows = list[list[str]]


def html_table(head: list[str], rows: Rows) -> str:
    """A table, its text escaped; the model's row is marked."""
    cells = lambda kind, row: "".join(f"<{kind}>{html.escape(c)}</{kind}>" for c in row)
    body = "".join(
        f"<tr{' class=model' if row[0] == 'model' else ''}>{cells('td', row)}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{cells("th", head)}</tr>{body}</table></div>'


def _error_rows(block: dict[str, Any], kind: str) -> Rows:
    rows = []
    for name in (n for n in ORDER if n in block):
        found = block[name]
        ends = zip(found[kind], found[f"{kind}_low"], found[f"{kind}_high"], strict=True)
        row = [f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in ends]
        rows.append([name.replace("_", " "), *_thinned(row)])
    return rows


def _thinned(values: list, most: int = 8) -> list:
    """At most `most` of a list, first and last among them."""
    last = len(values) - 1
    return [values[i] for i in sorted({round(k * last / (most - 1)) for k in range(most)})]


def _difference_rows(block: dict[str, Any]) -> Rows:
    rows = []
    for name, found in block["differences"].items():
        value, low, high = (found[f"geodesic_mean{end}"] for end in ("", "_low", "_high"))
        verdict = "better" if high < 0 else "worse" if low > 0 else "not decided"
        rows.append(
            [name.replace("_", " "), f"{value:+.3f}", f"[{low:+.3f}, {high:+.3f}]", verdict]
        )
    return rows


def _block(block: dict[str, Any]) -> list[str]:
    """The tables of one horizon."""
    if not block["horizon"]:
        return [f"<p>{html.escape(block['note'])}</p>"]
    parts = [
        f"<h2>{len(block['horizon'])} frames ahead: {block['windows']} windows of "
        f"{block['episodes']} episodes</h2>"
    ]
    if block["short_episodes"]:
        listed = ", ".join(map(str, block["short_episodes"]))
        parts.append(f"<p>Too short for such a window: episodes {listed}.</p>")
    if "note" in block:
        parts.append(f"<p>{html.escape(block['note'])}</p>")
    steps = [str(s) for s in _thinned(block["horizon"])]
    for kind, title in (("geodesic", "Geodesic error"), ("feature_rmse", "Decoded-feature RMSE")):
        parts += [
            f"<h3>{title}</h3>",
            html_table(["frames ahead", *steps], _error_rows(block, kind)),
        ]
    head = ["model minus", "mean geodesic error", "95 % interval", "the model is"]
    parts += ["<h3>Paired differences</h3>", html_table(head, _difference_rows(block))]
    return parts


def _uncertainty(report: dict[str, Any]) -> list[str]:
    if "uncertainty" not in report:
        return []
    found = report["uncertainty"]
    rows = [["energy score", *(f"{v:.3f}" for v in found["energy_score"])]]
    for name in ("50", "90"):
        cells = zip(*(found["coverage"][f"{name}{e}"] for e in ("", "_low", "_high")), strict=True)
        texts = [f"{v:.2f} [{low:.2f}, {high:.2f}]" for v, low, high in cells]
        rows.append([f"coverage of {name} % balls", *texts])
    title = f"{found['samples']} samples a window, {temperature_line(report)}"
    return [
        f"<h2>Uncertainty: {title}</h2>",
        html_table(["frames ahead", *map(str, report["horizon"])], rows),
    ]


def page(report: dict[str, Any], figures: dict[str, tuple[str, Path]]) -> str:
    """The page; `figures` are captions and files by name."""
    title = f"{report['checkpoint']}, {report['split']} episodes"
    model = "trained anew for each seed" if report["retrained"] else "the checkpoint's own"
    scalars = [
        [k.replace("_", " "), f"{v:.4g}"]
        for k, v in report.items()
        if isinstance(v, float) and k != "skill_mean"
    ]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>Data: {html.escape(report['data'])}. Seeds: {', '.join(map(str, report['seeds']))}; the "
        f"model is {model}. Intervals are 95 %, by bootstrap over episodes.</p>",
        *_block(report),
        *(_block(report["long"]) if "long" in report else []),
        *_uncertainty(report),
        "<h2>Figures</h2>",
    ]
    for caption, file in figures.values():
        data = base64.b64encode(file.read_bytes()).decode()
        text = html.escape(caption)
        parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
            f"<figcaption>{text}</figcaption></figure>"
        )
    parts += ["<h2>Scalars</h2>", html_table(["quantity", "value"], scalars)]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def write_report(evaluation: Evaluation, run: Path) -> Path:
    """Draw the figures and write `report.html` (`report_val.html` for another split) into `run`."""
    split = evaluation.report["split"]
    figures = report_figures(evaluation, run / "log.jsonl", run / "figures" / split)
    target = run / ("report.html" if split == "test" else f"report_{split}.html")
    with written_whole(target) as partial:
        partial.write_text(page(evaluation.report, figures))
    return target
