"""Settings from presets and files, and back: complete TOML tables, of which flags change single values."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from gyrax._errors import InputError
from gyrax.losses.total import TERMS
from gyrax.training.settings import LEAVES, WEIGHTS, Leaf, Settings

FOLDER = Path(__file__).parent / "presets"
PRESETS = DEFAULT, DOCUMENT, _ = "default", "document", "quick"


def load_preset(name: str) -> Settings:
    """The settings of a preset, or of a user's own TOML file.

    Raises `InputError` for an unknown preset, and for a file that is not a complete one.
    """
    file = FOLDER / f"{name}.toml" if name in PRESETS else Path(name)
    if not file.is_file():
        raise InputError(
            f"--preset is {name!r}, and there is no such file; give one of {', '.join(PRESETS)}, or a "
            "TOML file that is complete as these are."
        )
    try:
        values = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"--preset {file}: is no TOML file ({error}).") from None
    return from_dict(values, f"--preset {file}")


def make_settings(
    preset: str | None, given: Mapping[str, Any] | None = None, base: Settings | None = None
) -> Settings:
    """A preset, or `base`, with the settings `given` by the names of their flags (see `LEAVES`).

    Raises `InputError` where both a preset and a `base`, which has settings of its own, are given.
    """
    if base is not None and preset is not None:
        raise InputError(
            f"--preset {preset}: a run that is gone on with keeps its own settings; leave --preset out."
        )
    settings = load_preset(preset or DEFAULT) if base is None else base
    return replaced(settings, {LEAVES[key].path: value for key, value in (given or {}).items()})


def replaced(settings: Settings, values: Mapping[tuple[str, ...], Any]) -> Settings:
    """`settings` with the values at the given paths."""
    tree = to_dict(settings)
    for path, value in values.items():
        at = tree
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value
    return from_dict(tree, "settings")


def to_dict(settings: Settings) -> dict[str, Any]:
    """Settings as nested tables."""
    return dataclasses.asdict(settings)


def from_dict(values: Any, source: str) -> Settings:
    """Settings from nested tables. `InputError` naming `source` where one is missing or of a wrong type."""
    return _read(Settings, values, source, ())


def _read(owner: type, values: Any, source: str, path: tuple[str, ...]) -> Any:
    types = get_type_hints(owner)
    _check_names(values, types, source, path)
    read = {}
    for name, kind in types.items():
        here = (*path, name)
        if name == WEIGHTS and owner is Settings:
            _check_names(values[name], {term.name: float for term in TERMS}, source, here)
            read[name] = {
                key: _value(float, x, source, (*here, key)) for key, x in values[name].items()
            }
        elif dataclasses.is_dataclass(kind):
            read[name] = _read(kind, values[name], source, here)  # pyright: ignore[reportArgumentType]
        else:
            read[name] = _value(kind, values[name], source, here)
    return owner(**read)


def _check_names(
    values: Any, wanted: Mapping[str, Any], source: str, path: tuple[str, ...]
) -> None:
    where = ".".join(path) or "the whole"
    if not isinstance(values, dict):
        raise InputError(f"{source}: {where} is {values!r}, expected a table.")
    missing = [name for name in wanted if name not in values]
    unknown = [name for name in values if name not in wanted]
    found = [f"lacks {', '.join(missing)}"] if missing else []
    found += [f"has {', '.join(unknown)}, which gyrax does not know"] if unknown else []
    if found:
        raise InputError(
            f"{source}: {where} {' and '.join(found)}; give every setting by its name, as in the presets "
            "that come with gyrax."
        )


def _value(kind: type, value: Any, source: str, path: tuple[str, ...]) -> Any:
    """A value of the right type; whole numbers do for floats."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InputError(
            f"{source}: {'.'.join(path)} is {value!r}, expected a value of type {kind.__name__}."
        )
    return value


def differences(old: Settings, new: Settings) -> dict[Leaf, tuple[Any, Any]]:
    """What differs between two settings: leaf -> (old, new)."""
    pairs = {leaf: (leaf.of(old), leaf.of(new)) for leaf in LEAVES.values()}
    return {leaf: pair for leaf, pair in pairs.items() if pair[0] != pair[1]}
