"""Command-line flags made from the settings, so that each flag and default is written once."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from gyrax.training.settings import CHOICES, TrainConfig, flag_of, loss_terms, weight_flag


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
