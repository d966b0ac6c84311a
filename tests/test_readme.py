"""What the README shows runs as shown."""

import re
import shutil
from pathlib import Path

import cli
import pytest
from typer.testing import CliRunner

from tiny import TINY

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
SHELL = [
    line.split("#")[0].split()
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("snippet", PYTHON, ids=["swap", "simulate"])
def test_python_snippets(snippet, capsys):
    exec(compile(snippet, "README.md", "exec"), {})
    assert "nan" not in capsys.readouterr().out


def test_commands(tmp_path, monkeypatch, tiny_folder):
    """The commands of the first use, in order, in one folder, on small data."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_folder, "my_robot")
    commands = [words[2:] for words in SHELL if words[:2] == ["python", "cli.py"]]
    commands = [words for words in commands if "smolvla" not in words]  # see tests/vla
    assert ["train", "--phase", "2"] in commands and len(commands) == 11
    # Those two take minutes at any size; tests of their own run them.
    commands = [words for words in commands if words[0] not in ("ablate", "bench")]
    small = [f"--{k.replace('_', '-')}={v}" for k, v in (TINY | dict(save_every=50)).items()]
    for words in commands:
        takes_data = words[0] in ("train", "evaluate") and "--data" not in words
        extra = ["--data", str(tiny_folder)] if takes_data else []
        extra += small if words[0] == "train" else []
        # Baselines are trained once here, in the first evaluation.
        extra += ["--no-baselines"] if words[:1] == ["evaluate"] and "--data" in words else []
        result = CliRunner().invoke(cli.app, [*words, *extra])
        assert result.exit_code == 0, (words, result.output)


def test_pictures_are_there():
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / picture).is_file(), picture
