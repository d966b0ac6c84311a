"""Fixtures for every test: precision, and the values of the independent reference implementation."""

import gc
import json
import os
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gyrax.runtime.device import CPU_OPTIONS, cache_folder, keep_float32, use_measured_compiler
from gyrax.runtime.files import written_whole
from tiny import write_tiny

# Compiling and tracing are most of the suite's time. No test needs a fast program: without LLVM's
# optimisations, and each program in one piece, they compile in half of it.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"


def compile_quickly() -> None:
    """Start XLA with `QUICK`, in this process only: the commands that tests start run as users have them.

    XLA reads its flags once, when it starts, and aborts at one that it does not know.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    quick = QUICK if version("jaxlib").startswith("0.10.") else ""
    os.environ["XLA_FLAGS"] = f"{quick} {flags}".strip()  # the last of two counts: the user's
    jax.devices()
    os.environ["XLA_FLAGS"] = flags
    CPU_OPTIONS.clear()


use_measured_compiler()
compile_quickly()
keep_float32()
# Traces are millions of small objects, which the collector would look through again and again.
gc.freeze()
gc.set_threshold(200_000, 20, 20)
# Many tests compile the same programs.
jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

LONGEST = (
    "test_readme.py",
    "test_evaluate.py",
    "test_training.py",
    "test_train.py",
    "test_examples.py",
)


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


class TrainedRun(NamedTuple):
    """What `gyrax train` leaves behind: the folder, what it printed, and how many programs of an epoch it
    compiled. The run is shared by all tests: copy it to change it."""

    out: Path
    printed: str
    compiled: int


@pytest.fixture(scope="session")
def trained(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """Two epochs of each phase by the command, a checkpoint an epoch; made by the worker that asks first."""
    from commandline import FLAGS, compilations, done

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out, made = shared / "trained" / "run", shared / "trained" / "made.json"
    try:
        out.parent.mkdir()
    except FileExistsError:
        for _ in range(6000):
            if made.exists():
                return TrainedRun(out, *json.loads(made.read_text()))
            time.sleep(0.1)
        raise TimeoutError("the other worker did not train the shared run.") from None
    flags = [*FLAGS, "--data", tiny_folder, "--out", out]
    with compilations() as compiled:
        printed = done("train", "--phase", "all", *flags)
    with written_whole(made) as file:
        file.write_text(json.dumps([printed, compiled.count]))
    return TrainedRun(out, printed, compiled.count)
