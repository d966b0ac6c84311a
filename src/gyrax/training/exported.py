"""A model to hand on: a folder with its arrays as `model.safetensors`, and what they are as `config.json`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np

from gyrax._errors import InputError
from gyrax.runtime.safetensors import read_tensors, write_tensors
from gyrax.training.settings import Settings

MODEL_FILE, CONFIG_FILE = "model.safetensors", "config.json"
PARTS = ("system", "normaliser", "support")
"""What of a checkpoint a model needs; the rest is the state of training."""
_NAME = re.compile(rf"\.?({'|'.join(PARTS)})\..+")


def is_export(path: Path) -> bool:
    """Whether `path` is the folder of an exported model, or its arrays' file."""
    return model_file(path).is_file()


def model_file(path: Path) -> Path:
    """The file of the arrays, of a folder or of itself."""
    return path if path.name == MODEL_FILE else path / MODEL_FILE


def write_model(folder: Path, content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write what a checkpoint says of itself, and those of its arrays that a model needs."""
    needed = {name: np.asarray(array) for name, array in arrays.items() if _NAME.fullmatch(name)}
    write_tensors(folder / MODEL_FILE, needed)
    (folder / CONFIG_FILE).write_text(json.dumps(content, indent=1) + "\n")


def read_model(
    path: Path, kinds: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What an exported model says of itself, whose values are of these `kinds` by name, and its arrays.

    Raises `InputError` where a file is missing or damaged, or an array is of another shape than the
    model's columns and settings say. The shapes of the system itself are checked where it is filled.
    """
    file = model_file(path)
    content, arrays = _config(file.parent / CONFIG_FILE, kinds), read_tensors(file)
    for name in arrays:
        if not _NAME.fullmatch(name):
            raise InputError(f"{file}: holds {name[:80]!r}, which is no part of a model of gyrax.")
    for name, wanted in _shapes(content, arrays).items():
        found = arrays[name].shape if name in arrays else None
        if found is None or len(found) != len(wanted) or any(
            w not in (None, n) for n, w in zip(found, wanted, strict=True)
        ):  # fmt: skip
            expected = ", ".join("any" if n is None else str(n) for n in wanted)
            raise InputError(
                f"{file}: holds {'nothing' if found is None else f'shape {found}'} under {name!r}, "
                f"expected shape ({expected}) by {CONFIG_FILE}; the two belong to different models."
            )
    return content, arrays


def _config(file: Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{file}: cannot be read ({type(error).__name__}); it belongs beside {MODEL_FILE}: export "
            "the model again, or fetch it again."
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{file}: is not a JSON object; give a model that `gyrax export` wrote.")
    for name, kind in kinds.items():
        if name not in content or not _fits(content[name], kind):
            found = f"has {content[name]!r:.60} as" if name in content else "lacks"
            raise InputError(f"{file}: {found} {name!r}; give a model that `gyrax export` wrote.")
    if unknown := sorted(content.keys() - kinds.keys()):
        raise InputError(
            f"{file}: has {unknown[0]!r:.60}, which gyrax does not know; use the version that wrote it."
        )
    return content


def _fits(value: Any, kind: Any) -> bool:
    """Whether JSON holds a value of a field's kind: a number, a text, texts, numbers by name, or settings."""
    if kind is Settings or get_origin(kind) is Mapping:
        return isinstance(value, dict)
    if get_args(kind) == (str,):
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    return type(value) is kind


def _shapes(
    content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, tuple[int | None, ...]]:
    """The shapes of the statistics of so many columns; None where any number does."""
    features, actions = len(content["columns"]), len(content["action_columns"])
    history = arrays.get("normaliser.history", np.zeros(()))
    both, known = 2 * actions, int(history.flat[0] if history.size else 0) * actions
    return {
        "normaliser.history": (),
        "normaliser.feature_mean": (features,), "normaliser.feature_std": (features,),
        "normaliser.action_mean": (known,), "normaliser.action_std": (known,),
        "support.mean": (both,), "support.scale": (both,), "support.means": (None, both),
        "support.roots": (None, both, both), "support.constants": (None,), "support.limit": (),
        "support.snippets": (None, None, actions),
        "support.lowest": (features,), "support.highest": (features,),
    }  # fmt: skip
