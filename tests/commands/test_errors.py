"""What the operating system refuses is one line; what the commands themselves do wrong is not hidden."""

from pathlib import Path

import pytest
import typer

from commandline import call
from gyrax.commands.errors import one_line_errors


def open_missing():
    Path("nowhere/file").write_text("")


def full_disk():
    raise OSError(28, "No space left on device", "run/log.jsonl")


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        (open_missing, "error: nowhere/file: No such file or directory; "),
        (full_disk, "error: run/log.jsonl: No space left on device; "),
    ],
)
def test_one_line(fails, says, capsys):
    with pytest.raises(typer.Exit) as ended:
        one_line_errors(fails)()
    text = capsys.readouterr().err
    assert ended.value.exit_code == 2 and text.startswith(says) and text.count("\n") == 1


def test_errors_of_the_program_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        one_line_errors(lambda: 1 / 0)()


def test_a_name_that_is_too_long(tmp_path):
    out = tmp_path / ("x" * 300)
    for command in ("train", "ablate"):
        result = call(command, "--out", out)
        assert result.exit_code == 2 and "File name too long" in result.stderr
        assert result.stderr.count("\n") == 1
