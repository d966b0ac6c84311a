"""Imports run one way, between rooms and inside the large ones, and never in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gyrax

SOURCE = Path(gyrax.__file__).parent
ROOMS = (
    ("_types", "_errors", "_version"), ("geometry", "runtime"), ("dynamics", "nn"), ("fields",), ("atlas",),
    ("model",), ("losses", "interop"), ("data",), ("envs",), ("training",), ("planning",),
    ("evaluation",), ("report",), ("ablation", "simulation"), ("bench",), ("commands",),
    ("__main__",),
)  # fmt: skip
FLOORS = {
    "dynamics": (
        ("domain", "likelihood", "require", "rotation", "search", "splitting"),
        ("jumps", "levy", "solution", "terms"), ("brownian", "checks", "flows", "superposition"),
        ("everywhere", "solvers.base", "time_grid"),
        ("ball", "ball_jumps", "event_loop", "integrate", "solvers.document", "solvers.geodesic",
         "solvers.projected"),
        ("langevin", "simulate", "solvers.registry"),
    ),
    "model": (("fields", "time_to_go", "trajectory", "window"), ("folded", "forecaster"), ("world_model",),
              ("system",)),
    "training": (("sections", "state", "support", "trackers"), ("log", "optimiser", "settings"),
                 ("build", "exported", "phases", "presets"), ("blocks", "checkpoint", "step"),
                 ("dataset", "fit", "resume", "run_folder"), ("saver",), ("trainer",)),
    "planning": (("actions", "noise", "planner"),
                 ("cem", "gradient", "imagination", "mppi", "robot", "settings"), ("objective",),
                 ("controller",), ("setup",), ("agent",), ("assignment",), ("seeking",)),
    "evaluation": (
        ("baselines.autoencoder", "baselines.tangent", "forecasts", "intervals", "positions"),
        ("baselines.flat_twin", "baselines.linear", "baselines.network", "diagnostics", "encoded"),
        ("cache", "feature_space", "sampling"), ("calibration", "contestants", "distances", "reconstruction"),
        ("scores",), ("evaluate",), ("control.pairs",), ("control.actors",),
        ("control.closed_loop", "control.imitation"),
        ("control.contenders", "control.groups"), ("control.compare",),
    ),
}  # fmt: skip
"""The files of the large rooms, from the ground up; packages re-export what is in them."""
UNLEARNED = {"_types", "_errors", "runtime", "data", "envs"}
"""What data and environments may import: nothing that is trained, nor its geometry."""


def modules():
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


MODULES = dict(modules())


def imported(file):
    """The modules of this package that a file takes names from."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gyrax":
            base = node.module.removeprefix("gyrax").lstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                yield whole if whole in MODULES else base
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("gyrax.") for a in node.names if a.name[:6] == "gyrax.")


GRAPH = {name: set(imported(file)) - {name, ""} for name, file in MODULES.items() if name}


def room(module):
    return module.split(".")[0]


def rank(module):
    return next(i for i, rooms in enumerate(ROOMS) if room(module) in rooms)


def test_every_room_is_known():
    found = {room(name) for name in GRAPH}
    assert found == {name for rooms in ROOMS for name in rooms}


def test_imports_run_downwards():
    for name, targets in GRAPH.items():
        for target in targets:
            below = rank(target) < rank(name) or room(target) == room(name)
            assert below, f"gyrax.{name} imports gyrax.{target}"


@pytest.mark.parametrize("name", FLOORS)
def test_imports_run_downwards_inside_the_large_rooms(name):
    floor = {f"{name}.{file}": i for i, files in enumerate(FLOORS[name]) for file in files}
    packages = {m for m, file in MODULES.items() if file.name == "__init__.py"}
    assert set(floor) == {m for m in GRAPH if room(m) == name} - packages
    for file in floor:
        for target in GRAPH[file]:
            assert target not in floor or floor[target] < floor[file], f"{file} imports {target}"


def test_no_file_imports_itself_through_others():
    list(TopologicalSorter(GRAPH).static_order())  # raises CycleError, which names the circle


def test_data_and_environments_know_nothing_that_is_learned():
    for name, targets in GRAPH.items():
        if room(name) in ("data", "envs"):
            assert {room(t) for t in targets} <= UNLEARNED, name


def test_runtime_stands_alone():
    for name, targets in GRAPH.items():
        if room(name) == "runtime":
            assert {room(t) for t in targets} <= {"runtime", "_errors"}, name


def test_solvers_know_no_network():
    for name, targets in GRAPH.items():
        if room(name) == "dynamics":
            assert {room(t) for t in targets} <= {"_types", "_errors", "geometry", "dynamics"}, name


def test_shipped_code_imports_no_tests():
    for name, file in MODULES.items():
        roots = {
            (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not roots & {"tests", "tiny", "conftest"}, name
        assert "sys.path" not in file.read_text(), name
