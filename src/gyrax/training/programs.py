"""Compiled epochs kept from one run to the next: a known run starts without being traced again.

JAX's persistent cache keeps what XLA compiles; to ask it, a program must first be traced and lowered,
which is most of a warm start. Here the question is what the program is made from: the package's source,
the settings, the shapes, and the machine.
"""

import dataclasses
import hashlib
import os
import pickle
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.experimental.serialize_executable import deserialize_and_load, serialize
from jaxtyping import Array
from rich.console import Console

from gyrax.runtime.device import cache_folder, compiled
from gyrax.training.phases import Data, Phase
from gyrax.training.settings import TrainConfig, to_json
from gyrax.training.state import TrainState
from gyrax.training.step import Epoch

KEPT = 24
"""Programs in the folder; beyond that the oldest are deleted."""
PACKAGES = ("jax", "jaxlib", "equinox", "diffrax", "optax", "numpy")
SHORTEST = "jax_persistent_cache_min_compile_time_secs"
IRRELEVANT = (SHORTEST, "jax_compilation_cache_dir", "jax_platforms", "jax_platform_name")


@dataclasses.dataclass(frozen=True)
class Programs:
    """The compiled epochs of a user, in `folder`; without one every epoch is traced and compiled.

    A program is found by a digest of files and settings, and so cannot know of functions that were
    replaced in a running interpreter: only commands keep programs.
    """

    folder: Path | None = None

    @classmethod
    def of_user(cls) -> "Programs":
        """Those in the per-user cache folder."""
        return cls(cache_folder() / "epochs")

    def seek(self, config: TrainConfig, phase: Phase, sizes: Sequence[tuple[int, ...]]) -> "Sought":
        """Look for the epoch of `phase` on data of the given `sizes`. If it is kept, a thread begins to
        read it, which takes as long as to build the system that it trains."""
        if self.folder is None or jax.device_count() > 1:
            return Sought(phase.number, None, None)
        file = self.folder / f"{_digest(config, phase, sizes)}.program"
        reading = ThreadPoolExecutor(1).submit(_read, file) if file.exists() else None
        return Sought(phase.number, file, reading)


class Sought(NamedTuple):
    """Where the compiled epoch of a `phase` is kept, or will be, and the reading of it. Nowhere: it is
    not kept."""

    phase: int
    file: Path | None
    reading: Future | None

    def compiled(self, epoch: Epoch, data: Data, state: TrainState, console: Console) -> Epoch:
        """`epoch`, ready to be called; its state's buffers are taken over."""
        if self.file is None:
            return compiled(epoch, data, state, phase=self.phase)
        leaves, tree = jax.tree.flatten(eqx.filter(state, eqx.is_array))
        static = eqx.filter(state, eqx.is_array, inverse=True)
        shared, shared_tree = jax.tree.flatten(data)

        def epoch_of_arrays(shared: list, leaves: list) -> tuple[list, dict[str, Array]]:
            whole = eqx.combine(jax.tree.unflatten(tree, leaves), static)
            state, metrics = epoch(jax.tree.unflatten(shared_tree, shared), whole)
            return jax.tree.leaves(eqx.filter(state, eqx.is_array)), metrics

        program = self._read(console)
        if program is None:
            whole_epoch = jax.jit(epoch_of_arrays, donate_argnums=1)
            with _outside_of_cache():
                program = compiled(whole_epoch, shared, leaves, phase=self.phase)
            _write(self.file, program)

        def run(data: Data, state: TrainState) -> tuple[TrainState, dict[str, Array]]:
            given = jax.tree.leaves(eqx.filter(state, eqx.is_array))
            leaves, metrics = program(jax.tree.leaves(data), given)
            return eqx.combine(jax.tree.unflatten(tree, leaves), static), metrics

        return run

    def _read(self, console: Console) -> Callable[..., Any] | None:
        try:
            return None if self.reading is None else self.reading.result()
        except Exception as error:  # whatever a damaged pickle or a program of another build raises
            console.print(
                f"{self.file}: not a usable program ({type(error).__name__}); compiling anew",
                highlight=False,
            )
            return None


def _digest(config: TrainConfig, phase: Phase, sizes: Sequence[tuple[int, ...]]) -> str:
    """What a compiled epoch depends on: what it trains follows from the settings and the data's sizes."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    settings = {k: v for k, v in jax.config.values.items() if k not in IRRELEVANT}
    device = jax.devices()[0]
    facts = [
        to_json(config),
        (phase.number, phase.epochs),
        sizes,
        [version(name) for name in PACKAGES],
        sorted((k, repr(v)) for k, v in settings.items()),
        os.environ.get("XLA_FLAGS"),
        (device.platform, device.device_kind, device.client.platform_version),
        (platform.platform(), platform.processor(), os.cpu_count(), _instructions()),
    ]
    digest.update(repr(facts).encode())
    return digest.hexdigest()[:32]


def _instructions() -> str:
    """What the processor can do, where the system tells: a program is compiled for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


@contextmanager
def _outside_of_cache() -> Iterator[None]:
    """What JAX reads from its own cache lacks functions when it is written again (jax 0.10, CPU): hence
    these programs never go there."""
    seconds = jax.config.values[SHORTEST]
    jax.config.update(SHORTEST, float("inf"))
    try:
        yield
    finally:
        jax.config.update(SHORTEST, seconds)


def _read(file: Path) -> Callable[..., Any]:
    _load_lapack()
    return deserialize_and_load(*pickle.loads(file.read_bytes()))


def _load_lapack() -> None:
    """Programs call LAPACK through pointers that JAX fills when it lowers such a call. One that is read
    was lowered by another process: in this one it would jump to address zero."""
    factor = partial(jax.lax.linalg.cholesky, symmetrize_input=False)
    jax.jit(factor).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def _write(file: Path, program: Any) -> None:
    """Whole or not at all, and away with those that were written first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(serialize(program)))
    part.replace(file)
    with suppress(FileNotFoundError):  # another run may be doing the same
        written = sorted(file.parent.glob("*.program"), key=lambda f: f.stat().st_mtime)
        for old in written[:-KEPT]:
            old.unlink()
