"""How a command answers a user's mistake."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from gyrax._errors import InputError


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake, or a refusal of the operating system, is one line on standard error and exit code 2,
    never a traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except BrokenPipeError:  # whoever reads what is printed has enough
            raise
        except OSError as error:
            place = "" if error.filename is None else f"{error.filename}: "
            reason = error.strerror or str(error) or type(error).__name__
            print(
                f"error: {place}{reason}; what was finished before is kept: check the name, the permissions "
                "and the free space there.",
                file=sys.stderr,
            )
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("interrupted; what was finished before is kept", file=sys.stderr)
            raise typer.Exit(130) from None

    return guarded
