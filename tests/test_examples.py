"""Each example runs as a user runs it, in under a minute, and leaves its figure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = ["boris_gyration", "geodesics", "jump_process", "langevin_on_the_ball", "maze_distance",
         "swap_solvers", "tree_world"]  # fmt: skip

# What each prints about itself: the claim that its figure makes.
CLAIMS = {
    "boris_gyration": "kinetic energy kept to",
    "geodesics": "turned by 2.1245330156",
    "jump_process": "mean time between jumps 0.25",
    "langevin_on_the_ball": "exact 0.6612",
    "maze_distance": "disk: rank correlation with the shortest way 0.9",
    "swap_solvers": "noise 0  bab",
    "tree_world": "121 vertices, largest distance 8",
}


@pytest.mark.parametrize("name", NAMES)
def test_example_runs_and_saves_its_figure(name, tmp_path):
    figure = tmp_path / "figure.png"
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(figure)]
    # What they print does not depend on how well XLA compiles, and half of their time is compiling.
    flags = f"{os.environ['XLA_FLAGS']} --xla_backend_optimization_level=1"
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert CLAIMS[name] in done.stdout
    assert figure.read_bytes().startswith(b"\x89PNG") and figure.stat().st_size > 20_000
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 80


def test_every_example_is_run():
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    # Helpers; tested in tests/planning and in tests/report.
    scripts -= {"disk", "maze_walks", "world_model_policy", "forecast_film"}
    assert scripts == set(NAMES)
