"""The page as a file: the data, and the script that draws them, with nothing to fetch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from rich.console import Console

from gyrax.evaluation.encoded import Encoded
from gyrax.report.view.content import make_forecasts, page_content
from gyrax.report.view.recording import Recording, Sheets
from gyrax.runtime.console import print_lines
from gyrax.runtime.files import written_whole

SCRIPTS = ("geometry", "orbit", "ball", "robot", "curves", "main")
"""The parts of the script, in order."""


def view_page(content: dict[str, Any], title: str, remarks: Sequence[str]) -> str:
    """The page that shows what `page_content` made."""
    here = Path(__file__).parent
    parts = [(here / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    environment = Environment(loader=PackageLoader("gyrax.report", "."), autoescape=True)
    # "<" does not occur in numbers, and in names it must not end the element.
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    return environment.get_template("view/page.html.jinja").render(
        title=title,
        content=content,
        remarks=remarks,
        data=Markup(data),
        script=Markup("\n".join(parts)),
    )


def write_view(
    encoded: Encoded,
    split: str,
    data: Sequence[Path],
    *,
    horizon: int,
    episodes: int,
    samples: int,
    console: Console,
) -> Path:
    """Forecast, and write `view.html` (`view_val.html` for another split) into the run's folder.

    Raises `InputError` where no episode is long enough, or a video cannot be read.
    """
    found, remarks = make_forecasts(
        encoded, split, horizon=horizon, episodes=episodes, samples=samples
    )
    recordings = [Recording.of(path) for path in data]
    content = page_content(encoded, split, found, recordings[0].fps)
    sheets = Sheets(recordings)
    if reason := sheets.check():
        remarks.append(f"There are no pictures of the camera: {reason}")
    else:
        for episode in content["episodes"]:
            episode["pictures"] = sheets.of(episode["number"])
    print_lines(remarks, console)
    run = encoded.trained.path.parent
    target = run / ("view.html" if split == "test" else f"view_{split}.html")
    title = f"{run.resolve().name}: forecasts beside the truth"
    with written_whole(target) as partial:
        partial.write_text(view_page(content, title, remarks), encoding="utf-8")
    return target
