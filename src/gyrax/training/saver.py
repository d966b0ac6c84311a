"""Saving the states of a phase as checkpoints, in the background."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.runtime.files import check_room
from gyrax.training.checkpoint import Meta, checkpoint_name, checkpoint_step, manager_of, reason_of
from gyrax.training.fit import Part
from gyrax.training.state import TrainState
from gyrax.training.support import Support

OVERHEAD = 2**20
"""Bytes of a checkpoint beside its arrays, at most."""


class Saver:
    """Saves the states of one phase in a folder, while training goes on.

    `publish` is called when a checkpoint is whole and has its name in the folder.
    """

    def __init__(
        self,
        folder: Path,
        publish: Callable[[], None],
        phase: int,
        normaliser: Normaliser,
        support: Support,
        meta: Meta,
    ):
        self.meta, self.phase, self.publish = meta, phase, publish
        self.statistics = _under("normaliser", normaliser) | _under("support", support)
        self.folder = folder
        kinds = ("epoch", "part")
        self.managers = {k: manager_of(folder, phase, k, read_only=False) for k in kinds}
        self.pending = False

    def __call__(self, state: TrainState, part: Part | None = None) -> str:
        """Begin to save, under the name that is returned; `part`, of the epoch that is not finished. Raises
        `InputError` where that cannot be done."""
        import orbax.checkpoint as ocp

        epochs, part = int(state.epoch), part or Part()
        kind, step = checkpoint_step(epochs, part.block)
        meta = self.meta._replace(phase=self.phase, epochs=epochs, **part._asdict())
        arrays = _named(state) | self.statistics
        items = ocp.args.Composite(
            arrays=ocp.args.StandardSave(arrays),
            meta=ocp.args.JsonSave(meta.content()),
        )
        self.wait()
        with _saving(self.folder):
            # Where it fails for want of room, Orbax's threads print tracebacks of their own.
            check_room(self.folder, OVERHEAD + sum(array.nbytes for array in arrays.values()))
            self.managers[kind].save(step, args=items, force=True)
        self.pending = True
        return checkpoint_name(self.phase, epochs, part.block)

    def wait(self) -> None:
        """Wait until what was begun is saved, and publish it. Raises `InputError` where it cannot be."""
        if not self.pending:
            return
        with _saving(self.folder):
            for manager in self.managers.values():
                manager.wait_until_finished()
            self.publish()
        self.pending = False

    def finish(self) -> None:
        """Wait until all that was begun is saved, and save no more."""
        self.wait()
        with _saving(self.folder):
            for manager in self.managers.values():
                manager.close()


@contextmanager
def _saving(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Orbax and TensorStore raise many kinds of errors where a folder cannot be written.
        raise InputError(
            f"{folder}: a checkpoint cannot be saved ({reason_of(error)}); what was saved before is kept: "
            "make room, or choose another folder with --out."
        ) from None


def _under(prefix: str, statistics: Any) -> dict[str, np.ndarray]:
    """The fields of a dataclass of arrays and numbers, by prefixed names."""
    return {f"{prefix}.{name}": np.asarray(value) for name, value in vars(statistics).items()}


def _named(tree: Any) -> dict[str, Any]:
    """The arrays of a pytree by path; random keys as their data."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    raw = lambda x: jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    return {jax.tree_util.keystr(path): raw(leaf) for path, leaf in leaves}
