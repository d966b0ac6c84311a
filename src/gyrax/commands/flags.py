"""Command-line flags made from the settings, so that each flag and default is written once."""

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from gyrax._errors import InputError
from gyrax.runtime.options import check_options
from gyrax.training.presets import DEFAULT, DOCUMENT, load_preset
from gyrax.training.settings import LEAVES

PANELS = {
    "data": "Data",
    "encoder": "Encoder",
    "world_model": "World model",
    "integration": "Integration",
    "training": "Training",
    "weights": "Loss weights",
}

DEVICE = "auto, cpu or cuda."
REPEAT = "Steps of the environment under each action, which together are a frame."
DATA = "LeRobot folder or feature cache, several times for several; the default set if left out."
PRESET = "default, document, quick, or a complete TOML file. [default: default]"
Device = Annotated[str, typer.Option(help=DEVICE)]


def json_object(text: str, flag: str) -> dict[str, Any]:
    """What a flag's text holds. Raises `InputError` for anything but a JSON object."""
    wrong = lambda reason: InputError(
        f'{flag} is {text[:80]!r}, not a JSON object{reason}; give one such as {{"cubes": 2}}.'
    )
    try:
        found = json.loads(text)
    except ValueError as error:
        raise wrong(f" ({error})") from None
    if not isinstance(found, dict):
        raise wrong("")
    return found


def _parameter(name: str, kind: Any, default: Any, *flags: str, **shown: Any) -> inspect.Parameter:
    """A parameter that Typer reads as an option."""
    annotation = Annotated[kind, typer.Option(*flags, **shown)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=annotation)


def options_of(options: type) -> list[inspect.Parameter]:
    """One option a field of a dataclass: its type and default, and the flag and help text of its metadata. A
    field without a default must be given."""
    types, made = get_type_hints(options), []
    for each in dataclasses.fields(options):
        required = each.default is dataclasses.MISSING
        default = inspect.Parameter.empty if required else each.default
        flags = [each.metadata["flag"]] if each.metadata.get("flag") else []
        made.append(
            _parameter(each.name, types[each.name], default, *flags, help=each.metadata["help"])
        )
    return made


def setting_options() -> list[inspect.Parameter]:
    """One option a training setting. One that is not given is None: the preset decides."""
    default, document = load_preset(DEFAULT), load_preset(DOCUMENT)
    made = []
    for key, leaf in LEAVES.items():
        text = leaf.help + (f" [{'|'.join(leaf.choices)}]" if leaf.choices else "")
        text = f"{text}. Default: {leaf.of(default)}; document: {leaf.of(document)}."
        panel = PANELS[leaf.path[0]]
        made.append(
            _parameter(
                key, leaf.type | None, None, leaf.flag,
                help=text, rich_help_panel=panel, show_default=False,
            )
        )  # fmt: skip
    return made


def _with(
    name: str, options: list[inspect.Parameter], collect: Callable[[dict[str, Any]], Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a Typer command these options in place of its parameter `name`, which gets what `collect` makes
    of them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(**values: Any) -> Any:
            chosen = {option.name: values.pop(option.name) for option in options}
            return command(**values, **{name: collect(chosen)})

        own = [p for p in inspect.signature(command).parameters.values() if p.name != name]
        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *options]
        wrapped.__signature__ = inspect.Signature(parameters)  # pyright: ignore
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def with_options(options: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a Typer command an option for every field of a dataclass, which it gets as `options`,
    once their numbers are in its bounds."""

    def collect(chosen: dict[str, Any]) -> Any:
        check_options(options, chosen)
        return options(**chosen)

    return _with("options", options_of(options), collect)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a Typer command an option for every training setting; it gets those that the user gave, by the
    names of their flags, as `given`."""
    known = lambda chosen: {name: value for name, value in chosen.items() if value is not None}
    return _with("given", setting_options(), known)(command)
