"""Data-parallel training: every batch divided among all devices, parameters on each of them.

JAX derives the communication from where arrays are: parameters and data are replicated, a batch's rows
are sharded, and what is computed from both is the same as on one device but for the order of sums.
"""

import os
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from gyrax._errors import InputError

BATCH = "batch"
LAUNCHERS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
"""Variables by which a cluster's launcher says how many processes there are; JAX reads the rest."""


def join_processes(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Join this process to the others of one training run; nothing to do where there is one.

    Under a cluster's launcher nothing need be given. Raises `InputError` where only some of the three
    are, or the others cannot be reached.
    """
    given = [x is not None for x in (coordinator, num_processes, process_id)]
    if not any(given) and not any(int(os.environ.get(name, "1")) > 1 for name in LAUNCHERS):
        return
    if any(given) and not all(given):
        raise InputError(
            "--coordinator, --num-processes and --process-id belong together; give all three, the "
            "same coordinator (host:port of process 0) to every process."
        )
    if process_id is not None and not 0 <= process_id < (num_processes or 0):
        raise InputError(
            f"--process-id is {process_id} of --num-processes {num_processes}; number the "
            "processes from 0."
        )
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).split("\n")[0][:160]
        raise InputError(
            f"--coordinator {coordinator}: the processes did not find each other ({reason}); start all "
            "of them, with the address of process 0."
        ) from None


def is_writer() -> bool:
    """Whether this process writes files and prints."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Wait until every process has come here."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


def agreed(value: bool) -> bool:
    """What process 0 has found, in every process."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(value)))


def training_mesh(batch_size: int) -> Mesh:
    """All devices of all processes in a row. Raises `InputError` where they cannot share a batch."""
    devices = jax.devices()
    if batch_size % len(devices):
        raise InputError(
            f"--batch-size is {batch_size}; give a multiple of the {len(devices)} devices."
        )
    return Mesh(np.asarray(devices), (BATCH,))


def replicated(tree: Any, mesh: Mesh | None) -> Any:
    """The same arrays on every device of the mesh; what is no array is left as it is."""
    if mesh is None or mesh.size == 1:
        return tree
    everywhere = NamedSharding(mesh, PartitionSpec())

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jr.wrap_key_data(jax.device_put(np.asarray(jr.key_data(leaf)), everywhere))
        return jax.device_put(np.asarray(leaf), everywhere)

    return jax.tree.map(one, tree)


def on_this_process(tree: Any, mesh: Mesh | None) -> Any:
    """Arrays that every device of the mesh holds whole, as arrays of this process alone."""
    if mesh is None or mesh.size == 1:
        return tree
    own = lambda leaf: jnp.asarray(np.asarray(leaf)) if isinstance(leaf, jax.Array) else leaf
    return jax.tree.map(own, tree)


def sharded_rows(rows: Int[Array, " B"], mesh: Mesh | None) -> Int[Array, " B"]:
    """Inside a jitted function: divide a batch's rows among the devices."""
    if mesh is None or mesh.size == 1:
        return rows
    return jax.lax.with_sharding_constraint(rows, NamedSharding(mesh, PartitionSpec(BATCH)))


def kept_replicated(tree: Any, mesh: Mesh | None) -> Any:
    """Inside a jitted function: arrays that every device holds whole."""
    if mesh is None or mesh.size == 1:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))
