"""The cells of an ablation: a variant trained with a seed, kept in a file of its own."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.ablation.variants import Variant
from gyrax.evaluation.contestants import makers
from gyrax.evaluation.encoded import Encoded
from gyrax.evaluation.forecasts import decode, forecast
from gyrax.runtime.checksums import facts_digest
from gyrax.runtime.console import make_progress
from gyrax.runtime.files import written_whole
from gyrax.training.fit import DivergedError, fit_each
from gyrax.training.phases import make_phases
from gyrax.training.presets import to_dict
from gyrax.training.settings import Settings

FORMAT = 4


@dataclass(frozen=True)
class Place:
    """Where the cell of a variant and a seed is kept, and the digest of all that it depends on."""

    file: Path
    key: str
    seed: int

    @classmethod
    def of(cls, out: Path, variant: Variant, seed: int, identity: str) -> "Place":
        """`identity` is that of the latents."""
        facts = [FORMAT, to_dict(variant.settings), variant.flat, seed, identity]
        key = facts_digest(facts)
        slug = re.sub(r"[^A-Za-z0-9.=_-]+", "_", variant.name)[:60]
        return cls(out / "cells" / f"{slug}-seed{seed}-{key[:8]}.json", key, seed)

    def read(self, console: Console) -> dict[str, Any] | None:
        """The finished cell; None where there is none or, with a line about it, where it is damaged."""
        if not self.file.exists():
            return None
        try:
            cell = json.loads(self.file.read_text())
            if cell.pop("digest") != facts_digest(cell) or cell["key"] != self.key:
                raise ValueError("not what was written")
            return cell
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{self.file}: cannot be used ({error}); the cell is trained again"
            console.print(message, soft_wrap=True)
            return None

    def write(self, variant: Variant, found: dict[str, Any]) -> dict[str, Any]:
        """Keep what was found, and return the whole cell."""
        cell = {"key": self.key, "variant": variant.name, "seed": self.seed, **found}
        write_json(self.file, cell | {"digest": facts_digest(cell)})
        return cell


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    with written_whole(file) as partial:
        partial.write_text(json.dumps(content, indent=1))


def run_variant(
    variant: Variant,
    reference: Settings,
    seeds: int,
    encoded: Encoded,
    split: str,
    out: Path,
    console: Console,
) -> list[dict[str, Any]]:
    """The cells of one variant, one a seed, trained where `out` does not hold them: by episode, the mean
    squared errors of features at every step.

    One that diverges in training is kept as such, so that the others are not lost to it.
    """
    first = reference.training.run.seed
    places = [Place.of(out, variant, first + i, encoded.identity) for i in range(seeds)]
    cells = {place.seed: place.read(console) for place in places}
    missing = [place for place in places if cells[place.seed] is None]
    if not missing:
        console.print(f"{variant.name}: done already")
    else:
        own = encoded.under(variant.settings)
        cells |= _train(variant, missing, own, split, reference.training.horizon, console)
    return [cell for cell in cells.values() if cell is not None]


def _train(
    variant: Variant,
    missing: list[Place],
    encoded: Encoded,
    split: str,
    horizon: int,
    console: Console,
) -> dict[int, dict[str, Any]]:
    """The missing cells by seed."""
    chosen = encoded.windows(split, horizon)
    if chosen is None:
        raise InputError(f"no {split} episode is as long as a window; use a smaller one.")
    make, phase = makers(encoded)[variant.kind], make_phases(variant.settings)[2]
    seeds = [place.seed for place in missing]
    fresh, cells = [make(seed) for seed in seeds], {}
    with make_progress(console) as progress:
        total = phase.epochs * len(missing)
        task = progress.add_task(variant.name, total=total, note="compiling")
        fits = fit_each(variant.settings, phase, encoded.training_data(), fresh, seeds)
        for place, epochs in zip(missing, fits, strict=True):
            found: dict[str, Any] = {"episodes": [], "errors": [], "diverged": phase.epochs - 1}
            try:
                for _, state, metrics in epochs:
                    progress.update(task, advance=1, note=f"loss {metrics['loss']:.4f}")
                    trained = state.system
                points = forecast(trained, chosen.window)
                squares = (decode(encoded.trained.system, points) - chosen.truth) ** 2
                if np.isfinite(squares).all():
                    episodes = np.unique(chosen.episode)
                    means = [squares[chosen.episode == e].mean((0, 2)).tolist() for e in episodes]
                    found = {"episodes": episodes.tolist(), "errors": means}
            except DivergedError as error:
                found["diverged"] = error.epoch
            cells[place.seed] = place.write(variant, found)
    return cells
