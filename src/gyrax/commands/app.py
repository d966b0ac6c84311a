"""The Typer app: one command a verb. What a command needs is imported when it runs."""

from typing import Annotated

import typer

from gyrax._version import __version__
from gyrax.commands.ablate import ablate
from gyrax.commands.bench import bench
from gyrax.commands.collect import collect
from gyrax.commands.errors import Commands, one_line_errors
from gyrax.commands.evaluate import evaluate
from gyrax.commands.export import export
from gyrax.commands.extract import extract
from gyrax.commands.inspect import inspect
from gyrax.commands.plan import plan
from gyrax.commands.simulate import simulate
from gyrax.commands.simulate_data import simulate_data
from gyrax.commands.train import train
from gyrax.commands.view import view

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learned Hamiltonian Langevin dynamics on the Poincaré ball.",
)


def _print_version(asked: bool) -> bool:
    if asked:
        print(f"gyrax {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """What every command has."""


COMMANDS = (
    train, evaluate, view, ablate, collect, plan, simulate, inspect, extract, bench, simulate_data,
    export,
)  # fmt: skip
for command in COMMANDS:
    app.command(command.__name__.replace("_", "-"))(one_line_errors(command))


def main() -> None:
    """Run the command line."""
    app()
