"""Trained forecasters in a run folder, so that they are trained once."""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import equinox as eqx
from rich.console import Console

import gyrax
from gyrax.evaluation.encoded import Encoded
from gyrax.runtime.checksums import facts_digest
from gyrax.runtime.files import written_whole
from gyrax.training.presets import to_dict

FOLDER = "baselines"
_DIGEST = hashlib.sha256().digest_size


@cache
def source_digest() -> str:
    """A digest of this package's code: what another version trained is not taken for this one's."""
    digest = hashlib.sha256()
    for file in sorted(Path(gyrax.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Cache:
    """Forecasters by all that they depend on, one file each in the folder `baselines` of a run."""

    run: Path
    encoded: Encoded
    console: Console

    def _file(self, name: str, seed: int, epochs: int) -> Path:
        settings = to_dict(self.encoded.settings)
        # Neither phase 1, whose result the latents are, nor the seed of the checkpoint matters.
        for part in ("phase1", "phase3", "run"):
            del settings["training"][part]
        facts = [source_digest(), self.encoded.identity, settings, epochs]
        key = facts_digest(facts)
        return self.run / FOLDER / f"{name}-seed{seed}-{key[:16]}.eqx"

    def load(self, name: str, seed: int, epochs: int, skeleton: Any) -> Any | None:
        """The stored forecaster, in the shape of `skeleton`; None where there is none that can be read."""
        file = self._file(name, seed, epochs)
        if not file.exists():
            return None
        try:
            content = file.read_bytes()
            if content[:_DIGEST] != hashlib.sha256(content[_DIGEST:]).digest():
                raise ValueError("not what was written")
            return eqx.tree_deserialise_leaves(io.BytesIO(content[_DIGEST:]), skeleton)
        except Exception as error:  # a damaged file raises half a dozen kinds
            reason = str(error).split("\n")[0][:100] or type(error).__name__
            message = f"{file}: cannot be used ({reason}); {name} is trained again"
            self.console.print(message, soft_wrap=True)
            return None

    def save(self, name: str, seed: int, epochs: int, forecaster: Any) -> None:
        """Store a forecaster behind the digest of its bytes, whole or not at all."""
        stream = io.BytesIO()
        eqx.tree_serialise_leaves(stream, forecaster)
        content = stream.getvalue()
        with written_whole(self._file(name, seed, epochs)) as partial:
            partial.write_bytes(hashlib.sha256(content).digest() + content)
