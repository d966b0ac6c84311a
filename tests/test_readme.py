"""What the pages show runs as shown, and what they say of the code is so: README, CONTRIBUTING, docs/."""

import importlib.util
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import cli
import jax
import jax.numpy as jnp
import pytest
import typer
from typer.testing import CliRunner

import gyrax
import test_examples
from gyrax.training.presets import differences, load_preset
from tiny import TINY

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
LONG = ("ablate", "bench", "plan")  # these take minutes at any size; tests of their own run them
ELSEWHERE = {"smolvla": "tests/vla", "--coordinator": "tests/runtime"}
"""Words of commands that need another environment or several processes, and what runs them."""
INSTALLS = (
    "python -m pip install",  # .ci/run
    "python3.11 -m venv",  # .ci/run, for the SmolVLA packages
    "vla/bin/python cli.py",
    "python -m pytest",  # .ci/run too
    "ruff check",
    ".ci/run",
)


def blocks(language):
    """(page, code) of every block of a language, page by page."""
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(page, code) for page, text in PAGES.items() for code in pattern.findall(text)]


def commands():
    """The distinct `python cli.py` commands of all pages, in order, as tuples of words."""
    code = "\n".join(code for _, code in blocks("bash")).replace("\\\n", " ")
    lines = [tuple(shlex.split(line, comments=True)) for line in code.splitlines()]
    return list(dict.fromkeys(words[2:] for words in lines if words[:2] == ("python", "cli.py")))


@pytest.mark.parametrize("page", dict.fromkeys(page for page, _ in blocks("python")))
def test_python_snippets(page, capsys, monkeypatch, tmp_path, request):
    """The blocks of a page follow on each other, in a folder with the run that the first command leaves."""
    monkeypatch.chdir(tmp_path)
    Path("tests").symlink_to(ROOT / "tests")
    codes = [code for where, code in blocks("python") if where == page]
    if any("outputs/vla/joint" in code for code in codes):
        shutil.copytree(request.getfixturevalue("trained").out, "outputs/vla/joint")
    names: dict = {}
    for code in codes:
        if "import gymnasium" in code and not importlib.util.find_spec("gymnasium"):
            continue
        exec(compile(code, page, "exec"), names)
        printed = capsys.readouterr().out
        assert printed and "nan" not in printed


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_runs(page):
    """Formulas and outputs have no language, or `text`; what includes a file includes an example."""
    for language, code in re.findall(
        r"^ *```(\S.*)\n((?:.*\n)*?) *```$", PAGES[page], re.MULTILINE
    ):
        if language.startswith("{.python"):
            (name,) = re.findall(r'^--8<-- "examples/(.*)\.py"$', code, re.MULTILINE)
            assert name in (*test_examples.NAMES, "world_model_policy")  # tests/planning
        elif language == "bash":
            for line in code.replace("\\\n", " ").splitlines():
                known = ("python cli.py", *INSTALLS)
                assert not line or line.startswith(known), line
        else:
            assert language in ("python", "text"), language


def test_commands(tmp_path, monkeypatch, tiny_folder):
    """Every command once, in order, in one folder, on small data."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_folder, "my_robot")
    shown = commands()
    assert ("train", "--phase", "2") in shown
    assert {"train", "evaluate", "view", "inspect", "extract", "simulate", *LONG} <= {
        w[0] for w in shown
    }
    small = [f"--{k.replace('_', '-')}={v}" for k, v in (TINY | dict(save_every=50)).items()]
    missing: set[str] = set()  # folders that only a simulator makes
    for words in shown:
        if words[0] in LONG or set(words) & set(ELSEWHERE):
            continue
        simulated = words[0] in ("simulate-data", "collect")
        if simulated and not all(map(importlib.util.find_spec, ("mujoco", "gymnasium"))):
            missing.add(words[words.index("--out") + 1])
        if missing.intersection(words):
            continue
        takes_data = words[0] in ("train", "evaluate", "view") and "--data" not in words
        extra = ["--data", str(tiny_folder)] if takes_data else []
        extra += small if words[0] == "train" else []
        # Baselines are trained by the tests of `evaluate`.
        extra += ["--no-baselines"] if words[0] == "evaluate" else []
        # The fan is drawn by the tests of `view`.
        extra += ["--samples", "0"] if words[0] == "view" else []
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
        if file.parent.name == "examples" and file.suffix == ".png":  # made by docs/build.py
            file = ROOT / "examples" / f"{file.stem}.py"
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), (target, anchor)


def test_every_example_has_a_page():
    examples = {Path(page).stem for page in PAGES if page.startswith("docs/examples/")}
    assert examples == {*test_examples.NAMES, "world_model_policy"}


def test_every_page_of_the_site_is_in_its_navigation_and_there():
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]

    def files(entries):
        for entry in entries:
            if isinstance(entry, dict):
                (entry,) = entry.values()
            yield from [entry] if isinstance(entry, str) else files(entry)

    shown = [f"docs/{file}" for file in files(site["nav"])]
    assert len(shown) == len(set(shown)) and set(shown) == set(PAGES) - {
        "README.md",
        "CONTRIBUTING.md",
    }


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


def force_evaluations(name):
    """How often a step of a solver asks for the force, on average over 8 steps, rounded."""
    calls = []

    def slope(t, z, args):
        jax.debug.callback(lambda _: calls.append(1), z)
        return z

    noisy = name != "bab"
    path = gyrax.PresampledPath.sample(0.0, 1.0, 16, 2, key=jax.random.key(0)) if noisy else None
    terms = gyrax.langevin_terms(slope, friction=1.0 * noisy, temperature=0.1 * noisy, path=path)
    y0 = gyrax.PhaseState(jnp.array([0.1, 0.2]), jnp.array([0.1, 0.2]))
    made = gyrax.simulate(terms, gyrax.solver_by_name(name), 0.0, 1.0, 0.125, y0)
    jax.block_until_ready(made.ys)
    jax.effects_barrier()
    return round(len(calls) / 8)


def test_the_table_of_solvers():
    """Orders as declared, which tests/dynamics hold them to, and how often the force is asked for."""
    table = {}
    for line in re.findall(r"^\| `\w+`.*$", PAGES["docs/solvers.md"], re.MULTILINE):
        names, order, strong, forces, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        for name in names.replace("`", "").split(", "):
            table[name] = (order, strong, forces)
    assert set(table) == {*gyrax.solver_names(), "boa"}
    for name, row in table.items():
        solver = gyrax.solver_by_name(name)
        strong = solver.strong_order(None)
        order = "none" if strong is None else str(solver.order(None))
        strong = {None: "none", 1.0: "1"}[strong]
        strong = "no noise" if name == "bab" else strong
        assert row == (order, strong, str(force_evaluations(name))), name


def test_sections_that_the_code_refers_to_exist():
    sections = set(re.findall(r"^## (\d+)\.", PAGES["docs/model.md"], flags=re.MULTILINE))
    files = [ROOT / "cli.py", *(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    for file in files:
        cited = re.findall(r"docs/model\.md, sections? (\d+)", file.read_text())
        assert set(cited) <= sections, file
