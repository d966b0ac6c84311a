"""The command line as a person types it, and how it answers mistakes."""

import logging
import re
from contextlib import contextmanager

import cli
import jax
from typer.testing import CliRunner

from tiny import TINY

FLAGS = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items()]
runner = CliRunner()


def call(*args):
    return runner.invoke(cli.app, [str(a) for a in args])


def done(*args):
    """What a command that succeeds prints."""
    result = call(*args)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refused(*args, says):
    """The command ends with code 2 and one line that matches; returns the line."""
    result = call(*args)
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert len(lines) == 1, lines
    assert re.search(says, lines[0]), lines[0]
    return lines[0]


class _Compilations(logging.Handler):
    """Counts the programs of an epoch that JAX says it compiles."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record):
        self.count += "Compiling jit(train_block)" in record.getMessage()


@contextmanager
def compilations():
    """A counter of the programs of an epoch that are compiled inside the block."""
    handler, logger = _Compilations(), logging.getLogger("jax")
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            yield handler
    finally:
        logger.removeHandler(handler)
