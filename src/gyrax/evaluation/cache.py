"""Trained forecasters in a run folder, so that they are trained once."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from gyrax.runtime.files import written_whole
from gyrax.training.settings import TrainConfig

FOLDER = "baselines"
FORMAT = 1
IRRELEVANT = ("log_every", "save_every", "seed", "phase1_epochs", "lr")


def cache_key(name: str, config: TrainConfig, epochs: int, seed: int, identity: str) -> str:
    """A digest of all that a trained forecaster depends on; `identity` is that of its latents."""
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in IRRELEVANT}
    text = json.dumps([FORMAT, name, settings, epochs, seed, identity], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """Modules by name, seed and key, one file each in the folder `baselines` of a run."""

    def __init__(self, run: Path, console: Console):
        self.folder = run / FOLDER
        self.console = console

    def _file(self, name: str, seed: int, key: str) -> Path:
        return self.folder / f"{name}-seed{seed}-{key[:12]}.npz"

    def load(self, name: str, seed: int, key: str, skeleton: Any) -> Any | None:
        """The stored module, in the shape of `skeleton`; None where there is none that fits.

        A file that cannot be read is said to be so and is then replaced by [`save`][].
        """
        file = self._file(name, seed, key)
        if not file.exists():
            return None
        arrays, static = eqx.partition(skeleton, eqx.is_array)
        leaves, structure = jax.tree.flatten(arrays)
        try:
            with np.load(file) as stored:
                if str(stored["key"]) != key:
                    raise ValueError("it is of other settings or data")
                found = [stored[str(i)] for i in range(len(leaves))]
            for have, want in zip(found, leaves, strict=True):
                if have.shape != want.shape or have.dtype != want.dtype:
                    raise ValueError(f"it holds shape {have.shape} where {want.shape} is expected")
        except Exception as error:  # a damaged zip file raises half a dozen kinds
            reason = str(error).split("\n")[0][:100] or type(error).__name__
            self.console.print(
                f"{file}: cannot be used ({reason}); {name} is trained again", soft_wrap=True
            )
            return None
        filled = jax.tree.unflatten(structure, [jnp.asarray(x) for x in found])
        return eqx.combine(filled, static)

    def save(self, name: str, seed: int, key: str, module: Any) -> None:
        """Store a module, under a temporary name first."""
        file = self._file(name, seed, key)
        leaves = jax.tree.leaves(eqx.filter(module, eqx.is_array))
        arrays = {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)}
        with written_whole(file) as partial, partial.open("wb") as stream:
            np.savez(stream, key=np.asarray(key), **arrays)  # pyright: ignore[reportArgumentType]
