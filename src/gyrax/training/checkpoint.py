"""Checkpoints: folders of a run, one an Orbax step, with arrays, what they are, and checksums.

`pP_epoch_EEEEE` is saved at the end of an epoch, `pP_part_EEEEEBBBBB` in the middle of one, after so many
epochs and blocks.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.model.system import System
from gyrax.runtime.checksums import SUMS, damage_of
from gyrax.training.build import build_system
from gyrax.training.exported import is_export, model_file, read_model
from gyrax.training.presets import from_dict, to_dict
from gyrax.training.settings import Settings
from gyrax.training.state import TrainState
from gyrax.training.support import Support

FORMAT = 10
NAME = re.compile(r"p([123])_(epoch|part)_(\d{5})(\d{5})?")
DIGITS = {"epoch": 5, "part": 10}
SYSTEM = ".system"


class Meta(NamedTuple):
    """What a checkpoint says of itself, besides its arrays.

    **Fields:** `settings`; `phase` and `epochs` finished in it; `features`, the number that the model
    sees; `source`, the data set's place, and `data`, its digest; `constant`, the names of the columns that
    the model does not see (their values are the normaliser's); `columns` and `action_columns`, the names of
    all features and actions of the data; `episodes` and `frames`, how many it has; `asked`, the flags besides
    the settings that training goes on with; `block` of `blocks`, how far an epoch has come that is not
    finished, and `sums`, those of its blocks' means.
    """

    settings: Settings
    phase: int
    epochs: int
    features: int
    source: str
    data: str
    constant: Sequence[str]
    columns: Sequence[str]
    action_columns: Sequence[str]
    episodes: int
    frames: int
    asked: str
    block: int = 0
    blocks: int = 1
    sums: Mapping[str, float] = {}

    def content(self) -> dict[str, Any]:
        """The same for a JSON file."""
        return self._asdict() | {"format": FORMAT, "settings": to_dict(self.settings)}


_KINDS = get_type_hints(Meta) | {"format": int}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read: all that training goes on from."""

    path: Path
    meta: Meta
    arrays: dict[str, np.ndarray]

    def system(self, settings: Settings | None = None) -> System:
        """The system, under other settings of the same architecture if given."""
        settings = settings or self.meta.settings
        skeleton = build_system(settings, self.meta.features, key=jr.key(0))
        return fill(skeleton, self.arrays, SYSTEM, self.path)

    def state(self, skeleton: TrainState) -> TrainState:
        """The whole state of training, in the shape of `skeleton`."""
        return fill(skeleton, self.arrays, "", self.path)

    @property
    def normaliser(self) -> Normaliser:
        """The statistics with which the data was standardised."""
        names = Normaliser.__dataclass_fields__
        stored: dict[str, Any] = {name: self.arrays[f"normaliser.{name}"] for name in names}
        stored["history"] = int(stored["history"])
        return Normaliser(**stored)

    @property
    def support(self) -> Support:
        """What the actions of the training episodes are like."""
        names = Support.__dataclass_fields__
        return Support(**{name: self.arrays[f"support.{name}"] for name in names})


def manager_of(folder: Path, phase: int, kind: str, *, read_only: bool) -> Any:
    """Orbax's, of the checkpoints of a phase in a folder, of the kind `epoch` or `part`."""
    import orbax.checkpoint as ocp  # slow to import, and not needed to import gyrax

    # It warns of options that are meant as they are, and logs the errors that it raises, too.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    names = ocp.path.step.standard_name_format(
        step_prefix=f"p{phase}_{kind}", step_format_fixed_length=DIGITS[kind]
    )
    options = ocp.CheckpointManagerOptions(
        step_name_format=names, create=not read_only, read_only=read_only
    )
    handlers = {"arrays": ocp.StandardCheckpointHandler(), "meta": ocp.JsonCheckpointHandler()}
    return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)


def checkpoint_step(epochs: int, block: int) -> tuple[str, int]:
    """The kind and the step under which Orbax saves after so many finished epochs, and blocks of the next:
    the last epoch, counted from 0, or both numbers."""
    return ("part", epochs * 10**5 + block) if block else ("epoch", epochs - 1)


def checkpoint_name(phase: int, epochs: int, block: int = 0) -> str:
    """The folder name of a checkpoint."""
    kind, step = checkpoint_step(epochs, block)
    return f"p{phase}_{kind}_{step:0{DIGITS[kind]}d}"


def place_of(checkpoint: Path) -> tuple[int, int, int]:
    """The phase of a checkpoint, its finished epochs, and blocks of the next one, by its name."""
    match = NAME.fullmatch(checkpoint.name)
    assert match is not None
    number = int(match[3])
    return int(match[1]), number + (match[2] == "epoch"), int(match[4] or 0)


def checkpoints_in(run: Path) -> list[Path]:
    """The checkpoints of a run folder, in the order of training."""
    return sorted((p for p in run.iterdir() if _is_name(p.name) and p.is_dir()), key=place_of)


def _is_name(name: str) -> bool:
    match = NAME.fullmatch(name)
    return match is not None and (match[2] == "part") == (match[4] is not None)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint meant by `path`: itself, or the newest in a run folder.

    A trailing ".pt", as the document writes its checkpoints, is understood. Raises `InputError` where
    there is none.
    """
    path = Path(path)
    if path.suffix == ".pt" and not path.exists():
        path = path.with_suffix("")
    if _is_name(path.name) and path.is_dir():
        return path
    if not path.is_dir():
        raise InputError(
            f"{path}: there is no such checkpoint or run folder; give a run folder that "
            "`python cli.py train` wrote, one of the p?_epoch_????? folders in it, or an exported model."
        )
    found = checkpoints_in(path)
    if not found:
        raise InputError(
            f"{path}: holds no checkpoint (a folder such as p2_epoch_00049); train first."
        )
    return found[-1]


def open_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, the newest of a run folder, or an exported model, whose path is its arrays' file.

    Raises `InputError` where it is missing or damaged.
    """
    exported = is_export(path)
    found = model_file(path) if exported else find_checkpoint(path)
    if not exported:
        _check_sums(found)
    try:
        content, arrays = read_model(found, _KINDS) if exported else _restore(found)
        if content.pop("format") != FORMAT:
            raise InputError(
                f"{found}: was written by an older version of gyrax; train again, or use that version."
            )
        settings = from_dict(content.pop("settings"), str(found))
        return Checkpoint(found, Meta(settings=settings, **content), arrays)
    except InputError:
        raise
    except Exception as error:
        # Orbax and TensorStore raise many kinds of errors for a damaged folder, none in common.
        raise InputError(
            f"{found}: cannot be read ({reason_of(error)}); the checkpoint is incomplete: give another "
            "one, or train again."
        ) from None


def _check_sums(found: Path) -> None:
    if not (found / SUMS).exists():
        raise InputError(
            f"{found}: has no {SUMS}, so it is incomplete or was written by an older version of gyrax; give "
            "another one, or train again."
        )
    if reason := damage_of(found):
        raise InputError(
            f"{found}: cannot be read ({reason}); it is damaged: give another one, or train again."
        )


def _restore(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Content and arrays, the latter on the host whatever devices they were saved from."""
    import orbax.checkpoint as ocp

    phase, epochs, block = place_of(path)
    kind, step = checkpoint_step(epochs, block)
    with manager_of(path.parent, phase, kind, read_only=True) as manager:
        shapes = manager.item_metadata(step).arrays
        target = {k: np.zeros(v.shape, v.dtype) for k, v in dict(shapes).items()}
        items = ocp.args.Composite(
            arrays=ocp.args.StandardRestore(target), meta=ocp.args.JsonRestore()
        )
        found = manager.restore(step, args=items)
    return dict(found.meta), found.arrays


def reason_of(error: Exception) -> str:
    """What an error says, briefly."""
    text = str(error).split("\n")[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {text[:60]} ... {text[-100:]}" if len(text) > 200 else text


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
