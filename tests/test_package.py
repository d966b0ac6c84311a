"""What the package says of itself agrees: version, citation, what pre-commit and CI run, typing."""

import re
import tomllib
from pathlib import Path

import gyrax
from commandline import done

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version():
    assert done("--version").strip() == f"gyrax {gyrax.__version__}"
    assert PROJECT["dynamic"] == ["version"]
    for file, pattern in (("CITATION.cff", "version: {}\n"), ("CHANGELOG.md", "## {}\n")):
        assert pattern.format(gyrax.__version__) in (ROOT / file).read_text(), file


def test_one_citation():
    """A wheel has no CITATION.cff, so a model's card brings its own."""
    citation = (ROOT / "CITATION.cff").read_text()
    card = (ROOT / "src/gyrax/report/card.md.jinja").read_text()
    for pattern in (r'title: "(.*)"', r"  - name: (.*)", r"repository-code: (.*)"):
        (found,) = re.findall(pattern, citation)
        assert found in card, found
    assert PROJECT["urls"]["Repository"] in citation and PROJECT["license"] in citation


def test_pre_commit_runs_what_ci_runs():
    hooks = re.findall("entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    ci = (ROOT / ".ci/run").read_text().splitlines()
    checks = [line for line in ci if line.split(" ")[0] in ("ruff", "pyright")]
    assert hooks == checks and len(hooks) == 3


def test_every_tracker_is_an_extra():
    from gyrax.training.trackers import TRACKERS

    assert {"hub", *TRACKERS} <= PROJECT["optional-dependencies"].keys()


def test_typed_and_licensed():
    assert (Path(gyrax.__file__).parent / "py.typed").exists()
    assert "Apache License" in (ROOT / PROJECT["license-files"][0]).read_text()
