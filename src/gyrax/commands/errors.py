"""How a command answers a user's mistake."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import jax
import typer
from typer.core import TyperGroup

from gyrax._errors import InputError


def _refuse(said: str) -> NoReturn:
    print(f"error: {said}", file=sys.stderr)
    raise typer.Exit(2) from None


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake, or a refusal of the operating system, is one line on standard error and exit code 2,
    never a traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            _refuse(str(error))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
                raise
            _refuse(
                "out of memory; lower the sizes that were given, such as --batch-size: "
                f"{str(error).splitlines()[0][:160]}"
            )
        except BrokenPipeError:  # whoever reads what is printed has enough
            raise
        except OSError as error:
            place = "" if error.filename is None else f"{error.filename}: "
            reason = error.strerror or str(error) or type(error).__name__
            _refuse(
                f"{place}{reason}; what was finished before is kept: check the name, the permissions and the "
                "free space there."
            )
        except KeyboardInterrupt:
            print("interrupted; what was finished before is kept", file=sys.stderr)
            raise typer.Exit(130) from None

    return guarded


UsageError: Any = typer.BadParameter.__mro__[1]
"""Of the click that Typer uses: its own copy of it, in newer versions."""


class Commands(TyperGroup):
    """Commands whose mistaken flags are one line, as all other mistakes are."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            where = error.ctx.command_path if error.ctx else ctx.command_path
            said = " ".join(error.format_message().split()).rstrip(".")
            _refuse(f"{said}; see {where} --help.")
