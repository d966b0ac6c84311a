"""Solver names, as the command line takes them."""

from collections.abc import Callable

import diffrax

from gyrax._errors import InputError
from gyrax.dynamics.solvers.document import DocumentBAOAB
from gyrax.dynamics.solvers.geodesic import GeodesicSplitting
from gyrax.dynamics.solvers.projected import Projected
from gyrax.dynamics.splitting import is_word

WORDS = ("baoab", "obabo", "aboba", "aoboa", "oabao", "bab")

_OTHERS: dict[str, Callable[[], diffrax.AbstractSolver]] = {
    "document": DocumentBAOAB,
    "euler_heun": lambda: Projected(diffrax.EulerHeun()),
    "heun": lambda: Projected(diffrax.Heun()),
    "midpoint": lambda: Projected(diffrax.Midpoint()),
    "ralston": lambda: Projected(diffrax.Ralston()),
    "reversible_heun": lambda: Projected(diffrax.ReversibleHeun()),
}


def solver_names() -> tuple[str, ...]:
    """The named solvers; any other word over A, B and O is a name too."""
    return (*WORDS, *_OTHERS)


def solver_by_name(name: str) -> diffrax.AbstractSolver:
    """The solver of that name: a splitting word, "document", or one of diffrax's Stratonovich
    solvers with projection. Raises `InputError` (a `ValueError`) for an unknown name."""
    if name in _OTHERS:
        return _OTHERS[name]()
    if is_word(name):
        return GeodesicSplitting(name)
    raise InputError(
        f"solver {name!r} is unknown; expected a word over a, b, o such as 'baoab', or one of "
        f"{', '.join(solver_names())}."
    )
