"""Checkpoints: a folder `pP_epoch_EEEEE` with the arrays (Orbax) and what they are (`meta.json`)."""

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.training.settings import TrainConfig, from_json, to_json
from gyrax.training.state import TrainState

FORMAT = 3
NAME = re.compile(r"p([123])_epoch_(\d{5})")


@dataclass(frozen=True)
class Meta:
    """What a checkpoint says of itself, besides its arrays."""

    config: TrainConfig
    phase: int
    epoch: int
    features: int
    source: str


def checkpoint_name(phase: int, epochs: int) -> str:
    """The folder name after `epochs` finished epochs of a phase: the last epoch, counted from 0."""
    return f"p{phase}_epoch_{epochs - 1:05d}"


def find_checkpoint(path: Path) -> Path:
    """The checkpoint meant by `path`: itself, or the newest in a run folder.

    A trailing ".pt", as the specification writes its checkpoints, is understood. Raises
    `InputError` where there is none.
    """
    path = Path(path)
    if path.suffix == ".pt" and not path.exists():
        path = path.with_suffix("")
    if NAME.fullmatch(path.name) and path.is_dir():
        return path
    if not path.is_dir():
        raise InputError(
            f"{path}: there is no such checkpoint or run folder; give a run folder that "
            "`python cli.py train` wrote, or one of the p?_epoch_????? folders in it."
        )
    found = sorted(p for p in path.iterdir() if NAME.fullmatch(p.name) and p.is_dir())
    if not found:
        raise InputError(
            f"{path}: holds no checkpoint (a folder such as p2_epoch_00049); train first."
        )
    return found[-1]


def _named(tree: Any) -> dict[str, Any]:
    """The arrays of a pytree by path; random keys as their data."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    raw = lambda x: jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    return {jax.tree_util.keystr(path): raw(leaf) for path, leaf in leaves}


def save(
    run: Path, state: TrainState, normaliser: Normaliser, config: TrainConfig, source: str
) -> Path:
    """Write a checkpoint under a temporary name, then rename it. Returns its folder."""
    import orbax.checkpoint as ocp  # slow to import, and not needed to import gyrax

    epochs = int(state.epoch)
    target = run / checkpoint_name(state.phase, epochs)
    partial = run / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    arrays = {k: np.asarray(v) for k, v in _named(state).items()}
    statistics = {f"normaliser.{k}": np.asarray(v) for k, v in asdict(normaliser).items()}
    with ocp.StandardCheckpointer(multiprocessing_options=_alone()) as saver:
        saver.save(partial.absolute() / "arrays", arrays | statistics)
    meta = {
        "format": FORMAT,
        "phase": state.phase,
        "epochs": epochs,
        "features": len(normaliser.feature_mean),
        "source": source,
        "config": json.loads(to_json(config)),
    }
    (partial / "meta.json").write_text(json.dumps(meta, indent=1))
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def _alone() -> Any:
    """Orbax options by which a process of several neither waits for the others nor leaves it to them."""
    import orbax.checkpoint as ocp

    index = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=index, active_processes={index}, barrier_sync_key_prefix=f"process{index}"
    )


def read_meta(checkpoint: Path) -> Meta:
    """What a checkpoint says of itself. `InputError` where it is damaged."""
    file = checkpoint / "meta.json"
    try:
        meta = json.loads(file.read_text())
        if meta["format"] != FORMAT:
            raise ValueError(f"format {meta['format']}, expected {FORMAT}")
        return Meta(
            from_json(json.dumps(meta["config"]), str(file)),
            int(meta["phase"]),
            int(meta["epochs"]),
            int(meta["features"]),
            str(meta["source"]),
        )
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); the checkpoint is "
            "incomplete: give another one, or train again."
        ) from None


def read_arrays(checkpoint: Path) -> dict[str, np.ndarray]:
    """All arrays of a checkpoint by name. `InputError` where they are missing or truncated."""
    import orbax.checkpoint as ocp

    folder = checkpoint / "arrays"
    try:
        with ocp.StandardCheckpointer(multiprocessing_options=_alone()) as reader:
            found: Any = reader.metadata(folder.absolute())
            shapes = found.item_metadata if hasattr(found, "item_metadata") else found
            target = {k: np.zeros(v.shape, v.dtype) for k, v in dict(shapes).items()}
            return reader.restore(folder.absolute(), target)
    except Exception as error:
        # Orbax and TensorStore raise many kinds of errors for a damaged folder, none in common.
        reason = str(error).split("\n")[0][:120]
        raise InputError(
            f"{folder}: the arrays cannot be read ({type(error).__name__}: {reason}); the "
            "checkpoint is incomplete: give another one, or train again."
        ) from None


def fill(skeleton: Any, arrays: dict[str, np.ndarray], prefix: str, source: Path) -> Any:
    """`skeleton` with its arrays replaced by those stored under `prefix`.

    Raises `InputError` where a name is missing or a shape differs: another architecture.
    """

    def one(path: Any, leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        name = prefix + jax.tree_util.keystr(path)
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        shape = jr.key_data(leaf).shape if is_key else leaf.shape
        stored = arrays.get(name)
        if stored is None or stored.shape != shape:
            found = "nothing" if stored is None else f"shape {stored.shape}"
            raise InputError(
                f"{source}: holds {found} under {name!r}, expected shape {shape}; the checkpoint is "
                "of another architecture: use the settings that it was trained with."
            )
        return jr.wrap_key_data(jnp.asarray(stored)) if is_key else jnp.asarray(stored, leaf.dtype)

    return jax.tree_util.tree_map_with_path(one, skeleton)


def stored_normaliser(arrays: dict[str, np.ndarray]) -> Normaliser:
    """The statistics with which a checkpoint's data was standardised."""
    names = Normaliser.__dataclass_fields__
    stored: dict[str, Any] = {name: np.asarray(arrays[f"normaliser.{name}"]) for name in names}
    stored["history"] = int(stored["history"])
    return Normaliser(**stored)
