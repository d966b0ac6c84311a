"""Fixtures for every test: precision, and the values of the independent reference implementation."""

from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gyrax.runtime.device import cache_folder, keep_float32, use_measured_compiler
from tiny import write_tiny

use_measured_compiler()  # compiling is most of the suite's time
keep_float32()
# Many tests compile the same programs.
jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

LONGEST = ("test_readme.py", "test_evaluate_cli.py", "test_cli.py", "test_training.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="module", autouse=True)
def _forget_programs() -> Iterator[None]:
    """Drop a module's compiled programs: a process that keeps thousands runs out of memory maps."""
    yield
    jax.clear_caches()
    eqx.clear_caches()


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision inside the test that asks for it, and nowhere else."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Iterator[jnp.dtype]:
    """Run the test in float32 (JAX as users have it) and in float64 (with x64 on for that case only)."""
    with jax.enable_x64(request.param == "float64"):
        yield jnp.dtype(request.param)


@pytest.fixture(scope="session", params=["d3", "d8"])
def reference(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Reference values by name, such as `geometry/exp_map`: float64, chart indices and shapes int64.

    Ask for `x64` as well, and convert with `jnp.asarray`. What the names mean: `reference/README.md`.
    """
    with np.load(REFERENCE / f"{request.param}.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LeRobot folder small enough to train on in seconds."""
    return write_tiny(tmp_path_factory.mktemp("data") / "tiny")
