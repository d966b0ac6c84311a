"""Build the documentation site: run the examples for their pages, then zensical, then follow every link.

    python -m pip install -e '.[docs]' && python docs/build.py

The site is written to `site/`, and opens from disk. While writing, `zensical serve` shows it anew on every
change; it needs the examples' figures and outputs, so build once before.
"""

import html.parser
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
PAGES, SITE = ROOT / "docs" / "examples", ROOT / "site"


def run_example(script: Path) -> None:
    """Leave the figure and the printed lines of an example beside its page."""
    print(f"running {script.name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figure = Path(folder) / f"{script.stem}.png"
        done = subprocess.run(
            [sys.executable, script, figure.name],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        (PAGES / figure.name).write_bytes(figure.read_bytes())
    (PAGES / f"{script.stem}.txt").write_text(done.stdout)


class _Page(html.parser.HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self, file: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.targets += [given[name] for name in ("href", "src") if name in given]


def broken_links() -> list[str]:
    """What links of the site lead nowhere: zensical looks only at those from page to page."""
    pages = {file: _Page(file) for file in SITE.rglob("*.html") if file.name != "404.html"}
    broken = []
    for file, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            known = there not in pages or not anchor or anchor in pages[there].anchors
            if not there.exists() or not known:
                broken.append(f"{file.relative_to(SITE)}: {target}")
    return broken


def main() -> None:
    """Build, and end with code 1 where anything is amiss."""
    for page in sorted(PAGES.glob("*.md")):
        if f"{page.stem}.txt" in page.read_text():  # it shows what the example prints
            run_example(ROOT / "examples" / f"{page.stem}.py")
    command = ["zensical", "build", "--strict", "--clean"]
    if subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}).returncode:
        sys.exit("the site has mistakes; see above.")
    broken = broken_links()
    if broken:
        sys.exit("links that lead nowhere:\n" + "\n".join(broken))


if __name__ == "__main__":
    main()
