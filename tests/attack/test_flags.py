"""Every flag that takes a number, from the command line's own declaration, given numbers nobody means: one
line that names it, code 2, and no file touched. `GYRAX_ATTACK_SEED` draws other numbers."""

import inspect
import os
import time
from typing import get_args

import cli
import numpy as np
import pytest
from typer.models import ArgumentInfo, OptionInfo

from commandline import call

pytestmark = pytest.mark.attack

SEED = int(os.environ.get("GYRAX_ATTACK_SEED", "0"))
FIXED = (
    "nan",
    "inf",
    "-inf",
    "1e300",
    "-1e300",
    "1e-300",
    str(10**20),
    str(-(10**20)),
    "",
    "a",
    "1,5",
)


def declared():
    """Command, flag, and what the command cannot do without, for every flag of a number."""
    for command in cli.app.registered_commands:
        assert command.callback is not None
        options, arguments = [], []
        for parameter in inspect.signature(command.callback).parameters.values():
            kind, option = get_args(parameter.annotation)[:2]
            if isinstance(option, OptionInfo):
                names = option.param_decls or (f"--{parameter.name.replace('_', '-')}",)
                required = parameter.default is inspect.Parameter.empty
                options.append((names[0].split("/")[0], kind, required))
            elif isinstance(option, ArgumentInfo):
                arguments.append("nowhere")
        base = [*arguments, *(f"{flag}=nowhere" for flag, _, required in options if required)]
        for flag, kind, _ in options:
            if {int, float} & {kind, *get_args(kind)}:
                yield command.name, flag, base


FLAGS = list(declared())


def drawn(command, flag, count):
    """Some of what no flag takes, 15 at most: named, or of a random size and random digits."""
    rng = np.random.default_rng([SEED, *command.encode(), *flag.encode()])
    huge = (f"{sign}{10.0 ** rng.uniform(13, 308):g}" for sign in ("", "-"))
    random = (*huge, str(rng.integers(2**40, 2**62)), f"{10.0 ** -rng.uniform(13, 300):g}")
    return rng.choice([*FIXED, *random], min(count, 15), replace=False)


def test_all_commands_and_settings_are_attacked():
    names = {flag for _, flag, _ in FLAGS}
    assert {"--lr", "--temperature", "--num-charts", "--seeds", "--samples", "--rounds"} <= names
    assert len(FLAGS) > 150


@pytest.mark.parametrize(("command", "flag", "base"), FLAGS, ids=[f"{c}{f}" for c, f, _ in FLAGS])
def test_numbers_that_nobody_means(command, flag, base, tmp_path, monkeypatch, cases):
    monkeypatch.chdir(tmp_path)
    for value in drawn(command, flag, cases or 3):
        began = time.monotonic()
        given = [command, *base, f"{flag}={value}"]
        result = call(*given)
        lines = result.stderr.strip().splitlines()
        told = (given, result.exit_code, lines, result.exception)
        assert result.exit_code == 2 and len(lines) == 1 and flag in lines[0], told
        assert time.monotonic() - began < 10, given
        assert not list(tmp_path.iterdir()), given
