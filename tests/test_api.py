"""The API pages show every public name, and each says what it is and which shapes go in."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOMS = ("gyrax", *(f"gyrax.{room}" for room in (
    "geometry", "dynamics", "nn", "fields", "atlas", "model", "losses", "planning")))  # fmt: skip
PAGES = {
    path.name: path.read_text()
    for path in sorted((Path(__file__).parents[1] / "docs" / "api").glob("*.md"))
}
ARRAY = re.compile(r"(?:Float|Int|Bool|Inexact)\[[^']+, '[^']+'\]")
SHAPE = re.compile(r"`\((?:|\.\.\.|[\w*.][^`]*,[^`]*)\)`")


def public():
    """Every name that a public room exports, once, by the object."""
    names = {}
    for room in ROOMS:
        for name, value in vars(importlib.import_module(room)).items():
            ours = getattr(value, "__module__", "").startswith("gyrax")
            if ours and not name.startswith("_"):
                names.setdefault(value, f"{room}.{name}")
    return names


def shown():
    """(page, object, the members that the page names) of every entry of the API pages."""
    for page, text in PAGES.items():
        for entry in re.split(r"^::: ", text, flags=re.MULTILINE)[1:]:
            module, _, name = entry.split()[0].rpartition(".")
            named = re.search(r"members: \[(.*)\]", entry)
            members = named[1].split(", ") if named else []
            yield page, getattr(importlib.import_module(module), name), members


def takes_arrays(value):
    """Whether arrays of any axis are among the arguments of a function, or the fields of a class, or what
    it is made from or called with."""
    functions = [value]
    annotations = []
    if inspect.isclass(value):
        annotations += vars(value).get("__annotations__", {}).values()
        functions = [vars(value)[n] for n in ("__init__", "__call__") if n in vars(value)]
    for function in functions:
        annotations += [p.annotation for p in inspect.signature(function).parameters.values()]
    return any(ARRAY.search(str(annotation)) for annotation in annotations)


def test_every_public_name_is_shown_once():
    entries = [value for _, value, _ in shown()]
    assert len(entries) == len(set(entries))
    assert set(entries) == set(public())


@pytest.mark.parametrize(("value", "name"), public().items(), ids=public().values())
def test_public_names_say_what_they_are_and_which_shapes_go_in(value, name):
    text = (vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
    # What dataclasses write where there is none.
    assert text and not text.startswith(f"{value.__name__}("), f"{name} has no docstring"
    assert not takes_arrays(value) or SHAPE.search(text), f"{name}: no shapes such as `(D,)`"


@pytest.mark.parametrize("page", PAGES)
def test_named_members_are_there_and_have_docstrings(page):
    for where, value, members in shown():
        for member in members if where == page else ():
            assert inspect.getdoc(inspect.getattr_static(value, member)), (value, member)


@pytest.mark.parametrize("page", PAGES)
def test_every_api_page_links_to_an_example(page):
    assert "](../examples/" in PAGES[page]


def test_arrays_are_recognised():
    """Lest the tests above pass for nothing."""
    recognised = {name for value, name in public().items() if takes_arrays(value)}
    assert {
        "gyrax.PhaseState",
        "gyrax.fields.CovariantControl",
        "gyrax.geometry.geodesic",
    } <= recognised
    assert "gyrax.solver_names" not in recognised and len(recognised) > 40
