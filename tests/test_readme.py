"""What the pages show runs as shown, and what they say of the code is so: README.md, CONTRIBUTING.md and
docs/*.md."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import cli
import pytest
import typer
from typer.testing import CliRunner

from gyrax.training.presets import differences, load_preset
from tiny import TINY

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
LONG = ("ablate", "bench", "plan")  # these take minutes at any size; tests of their own run them


def blocks(language):
    """(page, code) of every block of a language, page by page."""
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(page, code) for page, text in PAGES.items() for code in pattern.findall(text)]


def commands():
    """The distinct `python cli.py` commands of all pages, in order, as tuples of words."""
    code = "\n".join(code for _, code in blocks("bash")).replace("\\\n", " ")
    lines = [tuple(shlex.split(line, comments=True)) for line in code.splitlines()]
    return list(dict.fromkeys(words[2:] for words in lines if words[:2] == ("python", "cli.py")))


@pytest.mark.parametrize(
    ("page", "code"),
    blocks("python"),
    ids=[f"{p}-{i}" for i, (p, _) in enumerate(blocks("python"))],
)
def test_python_snippets(page, code, capsys, monkeypatch):
    if "import gymnasium" in code:
        pytest.importorskip("gymnasium")
    monkeypatch.chdir(ROOT)
    exec(compile(code, page, "exec"), {})
    printed = capsys.readouterr().out
    assert printed and "nan" not in printed


def test_commands(tmp_path, monkeypatch, tiny_folder):
    """Every command once, in order, in one folder, on small data."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_folder, "my_robot")
    shown = commands()
    assert ("train", "--phase", "2") in shown
    assert {"train", "evaluate", "inspect", "extract", "simulate", *LONG} <= {w[0] for w in shown}
    small = [f"--{k.replace('_', '-')}={v}" for k, v in (TINY | dict(save_every=50)).items()]
    missing: set[str] = set()  # folders that only a simulator makes
    for words in shown:
        if words[0] in LONG or "smolvla" in words:  # see tests/vla
            continue
        simulated = words[0] in ("simulate-data", "collect")
        if simulated and not all(map(importlib.util.find_spec, ("mujoco", "gymnasium"))):
            missing.add(words[words.index("--out") + 1])
        if missing.intersection(words):
            continue
        takes_data = words[0] in ("train", "evaluate") and "--data" not in words
        extra = ["--data", str(tiny_folder)] if takes_data else []
        extra += small if words[0] == "train" else []
        # Baselines are trained by the tests of `evaluate`.
        extra += ["--no-baselines"] if words[0] == "evaluate" else []
        extra += ["--episodes", "1"] if words[0] == "simulate-data" else []
        # As many as there are splits, and as short as they may be.
        extra += ["--episodes", "3", "--frames", "32"] if words[0] == "collect" else []
        result = CliRunner().invoke(cli.app, [*words, *extra])
        assert result.exit_code == 0, (words, result.output)
        if words == ("train", "--phase", "2"):
            assert "there is no encoder yet" in result.output


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_are_there(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", PAGES[page]):
        if target.startswith("https://"):
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), (target, anchor)


@pytest.mark.parametrize("page", PAGES)
def test_flags_exist(page):
    app = typer.main.get_command(cli.app)
    options = [p for command in app.commands.values() for p in command.params]
    known = {flag for o in options for flag in (*o.opts, *o.secondary_opts)} | {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-zA-Z][\w-]*", PAGES[page])) - {"--w-NAME"}
    assert not named - known


def rows(heading):
    """The second and third cell of the rows of a section's tables, by the name in their first one."""
    sections = re.split(r"^## ", PAGES["docs/model.md"], flags=re.MULTILINE)
    (section,) = (text for text in sections if text.startswith(heading))
    lines = (line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `"))
    return {name.strip(" `"): [cell.strip() for cell in cells] for name, *cells in lines}


def as_shown(value):
    return {False: "no", True: "yes"}[value] if isinstance(value, bool) else str(value)


def test_the_table_of_presets():
    differing = differences(load_preset("document"), load_preset("default")).items()
    expected = {
        leaf.name: [as_shown(value) for value in values]
        for leaf, values in differing
        if leaf.path[0] != "weights"
    }
    assert rows("13.") == expected


def test_the_tables_of_losses():
    document, default = load_preset("document").weights, load_preset("default").weights
    assert rows("11.") == {name: [str(document[name]), str(default[name])] for name in document}


def test_sections_that_the_code_refers_to_exist():
    sections = set(re.findall(r"^## (\d+)\.", PAGES["docs/model.md"], flags=re.MULTILINE))
    files = [ROOT / "cli.py", *(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    for file in files:
        cited = re.findall(r"docs/model\.md, sections? (\d+)", file.read_text())
        assert set(cited) <= sections, file
