"""Imports run one way."""

import ast
from pathlib import Path

import gyrax

SOURCE = Path(gyrax.__file__).parent
LAYERS = ("_types", "_errors", "geometry", "dynamics", "fields", "atlas", "model", "losses",
          "training", "evaluation")  # fmt: skip
BESIDE = {"interop": "model", "data": "_errors"}


def imported_layers(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gyrax"):
            names = [node.module] if node.module != "gyrax" else [
                f"gyrax.{alias.name}" for alias in node.names
            ]  # fmt: skip
            yield from (name.split(".")[1] for name in names if "." in name)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("gyrax."))


def rank(layer):
    return LAYERS.index(BESIDE.get(layer, layer))


def test_imports_run_downwards():
    for file in SOURCE.rglob("*.py"):
        own = file.relative_to(SOURCE).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for layer in imported_layers(file):
            assert layer == own or rank(layer) <= rank(own), f"{file}: imports gyrax.{layer}"
            if layer == "data" and own != "data":
                assert rank(own) >= LAYERS.index("training"), f"{file}: imports gyrax.data"


def test_every_layer_is_known():
    found = {p.name.removesuffix(".py") for p in SOURCE.iterdir() if p.name[0] not in "_."}
    assert found <= {*LAYERS, *BESIDE}


def test_solvers_know_no_network():
    for file in (SOURCE / "dynamics").rglob("*.py"):
        assert set(imported_layers(file)) <= {"_types", "_errors", "geometry", "dynamics"}, file
