"""Command-line flags made from the settings, so that each flag and default is written once."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from gyrax.training.settings import CHOICES, TrainConfig, flag_of, loss_terms, weight_flag

Data = Annotated[
    Path | None,
    typer.Option(help="LeRobot folder or feature cache; the simulated default set if left out."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def options_of(settings: type) -> list[inspect.Parameter]:
    """One option a field of a dataclass: its type and default, and the help text of its metadata."""
    types = get_type_hints(settings)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[types[field.name], typer.Option(help=field.metadata["help"])],
        )
        for field in dataclasses.fields(settings)
    ]


def with_options(settings: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a Typer command, in place of its parameter of the type `settings`, an option for every field
    of that dataclass."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        options = options_of(settings)
        parameters: list[inspect.Parameter] = []
        name = ""
        for parameter in inspect.signature(command).parameters.values():
            if parameter.annotation is settings:
                name = parameter.name
                parameters += options
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        @functools.wraps(command)
        def wrapped(**values: Any) -> Any:
            chosen = {option.name: values.pop(option.name) for option in options}
            return command(**values, **{name: settings(**chosen)})

        wrapped.__signature__ = inspect.Signature(parameters)  # pyright: ignore
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _options() -> dict[str, tuple[Any, Any]]:
    """Every setting's name -> (type, typer option). An absent flag is None: the preset decides."""
    types = get_type_hints(TrainConfig)
    options: dict[str, tuple[Any, Any]] = {}
    for setting in dataclasses.fields(TrainConfig):
        if setting.name == "weights":
            continue
        meta = setting.metadata
        choices = CHOICES.get(setting.name)
        text = meta["help"] + (f" [{'|'.join(choices)}]" if choices else "")
        options[setting.name] = (
            types[setting.name],
            typer.Option(
                *([meta["flag"]] if meta["flag"] else [flag_of(setting.name)]),
                help=f"{text}. Document: {setting.default}.",
                rich_help_panel=meta["group"],
                show_default=False,
            ),
        )
    for term in loss_terms():
        options[f"w_{term.name}"] = (
            float,
            typer.Option(
                weight_flag(term.name),
                help=f"{term.purpose}. Document: {term.weight}.",
                rich_help_panel="Loss weights",
                show_default=False,
            ),
        )
    return options


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for every setting to a Typer command; it gets those given as `settings`."""
    own = inspect.signature(command)
    options = _options()

    def wrapped(**values: Any) -> None:
        settings = {name: values.pop(name) for name in options}
        given = {name: value for name, value in settings.items() if value is not None}
        command(**values, settings=given)

    parameters = [p for p in own.parameters.values() if p.name != "settings"]
    parameters += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, option],
        )
        for name, (kind, option) in options.items()
    ]
    wrapped.__signature__ = own.replace(parameters=parameters)  # pyright: ignore
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    return wrapped
