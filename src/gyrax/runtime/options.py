"""Numbers that a user gives: what a field of options says of them, and which are refused."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gyrax._errors import InputError

LARGEST, SMALLEST = 1e12, 1e-12
"""The sizes of real numbers that are given: what lies beyond is lost in float32, with its squares."""
MOST = 2**31 - 1
"""The largest whole number, where a field says no smaller one: what a counter on the device holds."""
SEEDS = 2**32


def option(
    default: Any,
    text: str,
    flag: str | None = None,
    *,
    above: float | int | None = None,
    least: float | int | None = None,
    most: float | int | None = None,
) -> Any:
    """A field of options: its default, its help text, its flag if not its name's, and its bounds."""
    bounds = dict(above=above, least=least, most=most)
    return dataclasses.field(default=default, metadata={"help": text, "flag": flag, **bounds})


def flag_of(field: "dataclasses.Field[Any]") -> str:
    """The flag of a field of options."""
    return field.metadata.get("flag") or f"--{field.name.replace('_', '-')}"


def check_options(options: type, values: Mapping[str, Any]) -> None:
    """Raise `InputError` for the first number among `values` that is out of its field's bounds."""
    for each in dataclasses.fields(options):
        bounds = {name: each.metadata.get(name) for name in ("above", "least", "most")}
        check_number(flag_of(each), values[each.name], **bounds)


def check_choice(flag: str, value: Any, choices: Iterable[str]) -> None:
    """Raise `InputError` for what is none of the choices."""
    known = tuple(choices)
    if value not in known:
        raise InputError(f"{flag} is {value!r}; give one of {', '.join(known)}.")


def check_number(
    flag: str,
    value: Any,
    *,
    above: float | int | None = None,
    least: float | int | None = None,
    most: float | int | None = None,
) -> None:
    """Raise `InputError` for a number that is not finite, out of its bounds, or of no use on a device. What
    is no number has no bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not math.isfinite(value):
        raise InputError(f"{flag} is {value}; give a finite number.")
    if above is not None and not value > above:
        raise InputError(f"{flag} is {value}; give a value above {above}.")
    if least is not None and not value >= least:
        raise InputError(f"{flag} is {value}; give {least} or more.")
    if flag == "--seed" and value >= SEEDS:
        raise InputError(f"--seed is {value}; give one below 2**32.")
    if most is None:
        most = LARGEST if isinstance(value, float) else max(MOST, SEEDS if flag == "--seed" else 0)
    if value > most:
        raise InputError(f"{flag} is {value}; give {most:.16g} or less.")
    if value < -most:
        raise InputError(f"{flag} is {value}; give {-most:.16g} or more.")
    if isinstance(value, float) and not least and 0 < abs(value) < SMALLEST:
        raise InputError(f"{flag} is {value}; give 0 or {SMALLEST:g} or more in size.")
