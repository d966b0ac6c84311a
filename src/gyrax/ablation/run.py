"""An ablation: variants of one reference, trained alike on one encoder, compared in pairs."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gyrax._errors import InputError
from gyrax.ablation.cells import run_variant, write_json
from gyrax.ablation.table import diverged_seeds, summarise
from gyrax.ablation.variants import REFERENCE, Variant
from gyrax.data.store import Frames
from gyrax.evaluation.encoded import Encoded
from gyrax.runtime.console import print_lines
from gyrax.runtime.files import is_partial
from gyrax.runtime.locks import LOCK
from gyrax.training.checkpoint import checkpoints_in, open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.phases import make_phases
from gyrax.training.presets import differences, from_dict, to_dict
from gyrax.training.settings import Settings
from gyrax.training.trainer import Trained, Trainer

FORMAT = 3
ENCODER = "encoder"
PARTIAL = f".{ENCODER}.partial"
MANIFEST = "ablation.json"


@dataclass(frozen=True)
class Ablation:
    """What the folder `out` is for: a reference, a data set, a split, and the run whose encoder is shared
    (None: one that the ablation trains)."""

    reference: Settings
    frames: Frames
    split: str
    encoder: Path | None
    out: Path

    def manifest(self) -> dict[str, Any]:
        """All that its cells must share, as JSON has it."""
        return {
            "format": FORMAT,
            "reference": json.loads(json.dumps(to_dict(self.reference))),
            "data": self.frames.digest,
            "split": self.split,
            "encoder": None if self.encoder is None else str(self.encoder.resolve()),
        }

    def check_folder(self) -> None:
        """Raise `InputError` where the folder holds something else than this ablation."""
        file = self.out / MANIFEST
        if not file.exists():
            inside = list(self.out.iterdir()) if self.out.is_dir() else []
            if any(p.name not in (ENCODER, PARTIAL, LOCK) and not is_partial(p) for p in inside):
                raise InputError(
                    f"{self.out}: is not empty and holds no ablation; give another --out."
                )
            return
        try:
            there, wanted = json.loads(file.read_text()), self.manifest()
            differing = [k for k in wanted if there[k] != wanted[k]]
            if "reference" in differing:
                differing.remove("reference")
                differing += _differing(there["reference"], self.reference)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{file}: cannot be read ({type(error).__name__}); remove the folder or give another "
                "--out."
            ) from None
        if differing:
            raise InputError(
                f"{self.out}: holds an ablation with another {', '.join(differing)}; use the settings "
                "that it was begun with, or another --out."
            )

    def run(
        self, given: Trained | None, variants: list[Variant], seeds: int, console: Console
    ) -> dict[str, Any]:
        """Train every variant with every seed that the folder does not hold yet, and sum up.

        `given` is the encoder's run. Raises `InputError` where the reference, the first to be trained,
        diverges.
        """
        trained = given or self._own_encoder(console)
        dataset = Dataset.of(self.frames, trained.settings, trained.normaliser)
        print_lines(dataset.remarks(self.split), console)
        encoded = Encoded.of(trained, dataset)
        write_json(self.out / MANIFEST, self.manifest())
        cells = {}
        for variant in variants:
            cells[variant.name] = run_variant(
                variant, self.reference, seeds, encoded, self.split, self.out, console
            )
            if lost := diverged_seeds(cells[REFERENCE]):
                raise InputError(
                    f"the reference diverged with seed {lost[0]}, so there is nothing to compare with; "
                    "give a lower --lr-wm and another --out."
                )
        return summarise(cells, self.split)

    def _own_encoder(self, console: Console) -> Trained:
        """The encoder that the ablation trained for itself, trained now if it is not there yet."""
        run = self.out / ENCODER
        if run.is_dir() and checkpoints_in(run):
            checkpoint = open_checkpoint(run)
            if checkpoint.meta.settings != self.reference:
                raise InputError(
                    f"{run}: was trained with other settings; remove it or give another --out."
                )
            return Trained.of(checkpoint)
        if make_phases(self.reference)[1].epochs == 0:
            raise InputError(
                "--phase1-epochs is 0 and there is no --encoder RUN; give one of them."
            )
        console.print("training the encoder that all variants share")
        # Under another name until it is whole: a half-trained encoder must not be taken for the shared one.
        partial = self.out / PARTIAL
        shutil.rmtree(partial, ignore_errors=True)
        dataset = Dataset.of(self.frames, self.reference)
        Trainer(self.reference, dataset, partial, console).train([1])
        partial.rename(run)
        return Trained.of(open_checkpoint(run))


def _differing(there: dict[str, Any], wanted: Settings) -> list[str]:
    """The flags of the settings in which stored tables differ from what is wanted."""
    pairs = differences(from_dict(there, MANIFEST), wanted)
    return [leaf.name for leaf in pairs]
