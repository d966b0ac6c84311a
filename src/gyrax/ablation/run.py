"""An ablation: variants of one configuration, trained alike on one encoder, compared in pairs."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gyrax._errors import InputError
from gyrax.ablation.table import (
    console_table,
    diverged_seeds,
    summarise,
    write_tables,
)
from gyrax.ablation.variants import REFERENCE, Variant, make_variants, parse_factor
from gyrax.data.frames import Frames, load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.data.windows import SPLITS
from gyrax.evaluation.fit import fit, forecaster_phase
from gyrax.evaluation.forecasters import MODEL, Trainer, forecast
from gyrax.evaluation.latents import Latents
from gyrax.runtime.console import make_progress
from gyrax.runtime.device import prepare_device
from gyrax.runtime.files import written_whole
from gyrax.training.loop import Resumed, check_architecture, open_checkpoint
from gyrax.training.loop import Trainer as EncoderTrainer
from gyrax.training.phases import make_phases
from gyrax.training.settings import TrainConfig, check_choice, make_config

FORMAT = 1
ENCODER = "encoder"
OF_ENCODER = (
    "latent_dim", "num_charts", "hidden_dim", "codes_per_chart", "action_dim", "action_history", "curvature",
)  # fmt: skip
MANIFEST = "ablation.json"


def ablate_run(
    settings: dict[str, Any],
    *,
    vary: list[str],
    grid: bool,
    seeds: int,
    preset: str,
    encoder: Path | None,
    data: Path | None,
    split: str,
    out: Path,
    device: str,
    console: Console,
) -> Path:
    """Train every variant with every seed that `out` does not hold yet, then write its tables.

    Raises `InputError` for anything unusable, before any file is touched.
    """
    check_choice("device", device)
    if split not in SPLITS:
        raise InputError(f"--split is {split!r}; give one of {', '.join(SPLITS)}.")
    if seeds < 1:
        raise InputError(f"--seeds is {seeds}; give 1 or more.")
    given = None if encoder is None else open_checkpoint(encoder)
    reference = make_config(preset, settings, None if given is None else given.meta.config)
    if given is not None:
        check_architecture(reference, given, OF_ENCODER)
    variants = make_variants(reference, [parse_factor(text) for text in vary], grid=grid)
    if reference.phase2_epochs == 0:
        raise InputError("--phase2-epochs is 0; an ablation trains phase 2: give 1 or more.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder with --out.")
    prepare_device(device)
    frames = load_frames(data or DEFAULT_FOLDER)
    _check_manifest(out, reference, frames, split, encoder)
    resumed = given or _own_encoder(reference, frames, out, console)
    latents = Latents.of(resumed, frames)
    _write(out / MANIFEST, _manifest(reference, frames, split, encoder))
    cells = {}
    for variant in variants:
        cells[variant.name] = run_variant(variant, reference, seeds, latents, split, out, console)
        if lost := diverged_seeds(cells[REFERENCE]):  # the first to be trained
            raise InputError(
                f"the reference diverged with seed {lost[0]}, so there is nothing to compare with; "
                "give a lower --lr-wm and another --out."
            )
    summary = summarise(cells, split)
    console.print(console_table(summary))
    for file in write_tables(summary, out):
        console.print(str(file), soft_wrap=True, highlight=False)
    return out


def _manifest(
    reference: TrainConfig, frames: Frames, split: str, encoder: Path | None
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for array in (frames.features, frames.actions, frames.offsets):
        digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "format": FORMAT,
        "reference": json.loads(json.dumps(dataclasses.asdict(reference))),
        "data": digest.hexdigest(),
        "split": split,
        "encoder": None if encoder is None else str(encoder.resolve()),
    }


def _check_manifest(
    out: Path, reference: TrainConfig, frames: Frames, split: str, encoder: Path | None
) -> None:
    """Raise `InputError` where the folder holds something else than this ablation."""
    file = out / MANIFEST
    if not file.exists():
        strange = (
            [p for p in out.iterdir() if p.name not in (ENCODER, f".{ENCODER}.partial")]
            if out.is_dir()
            else []
        )
        if strange:
            raise InputError(f"{out}: is not empty and holds no ablation; give another --out.")
        return
    try:
        held = json.loads(file.read_text())
        wanted = _manifest(reference, frames, split, encoder)
        differing = [k for k in wanted if held[k] != wanted[k]]
        if "reference" in differing:
            now, then = wanted["reference"], held["reference"]
            differing += sorted(k for k in now if now[k] != then.get(k))
            differing.remove("reference")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: cannot be read ({type(error).__name__}); remove the folder or give another --out."
        ) from None
    if differing:
        raise InputError(
            f"{out}: holds an ablation with another {', '.join(differing)}; use the settings that it "
            "was begun with, or another --out."
        )


def _own_encoder(config: TrainConfig, frames: Frames, out: Path, console: Console) -> Resumed:
    """The encoder that the ablation trained for itself, trained now if it is not there yet."""
    run = out / ENCODER
    if any(run.glob("p1_epoch_?????")):
        resumed = open_checkpoint(run)
        if resumed.meta.config != config:
            raise InputError(
                f"{run}: was trained with other settings; remove it or give another --out."
            )
        return resumed
    phase = make_phases(config)[1]
    if phase.epochs == 0:
        raise InputError("--phase1-epochs is 0 and there is no --encoder RUN; give one of them.")
    console.print("training the encoder that all variants share")
    # Under another name until it is whole: a half-trained encoder must not be taken for the shared one.
    partial = out / f".{ENCODER}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    EncoderTrainer(config, frames, partial, console).train([1])
    partial.rename(run)
    return open_checkpoint(run)


def _write(file: Path, content: dict[str, Any]) -> None:
    with written_whole(file) as partial:
        partial.write_text(json.dumps(content, indent=1))


def cell_file(out: Path, variant: Variant, seed: int, identity: str) -> tuple[Path, str]:
    """Where a cell is kept, and the digest of what it is."""
    settings = dataclasses.asdict(variant.config)
    text = json.dumps([FORMAT, settings, variant.flat, seed, identity], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9.=_-]+", "_", variant.name)[:60]
    return out / "cells" / f"{slug}-seed{seed}-{key[:8]}.json", key


def _held(file: Path, key: str, console: Console) -> dict[str, Any] | None:
    """A finished cell; None, with a line about it, where the file is damaged."""
    if not file.exists():
        return None
    try:
        cell = json.loads(file.read_text())
        if cell["key"] != key or len(cell["errors"]) != len(cell["episodes"]):
            raise ValueError("not this cell")
        return cell
    except (OSError, ValueError, KeyError, TypeError) as error:
        console.print(
            f"{file}: cannot be used ({error}); the cell is trained again", soft_wrap=True
        )
        return None


def run_variant(
    variant: Variant,
    reference: TrainConfig,
    seeds: int,
    latents: Latents,
    split: str,
    out: Path,
    console: Console,
) -> list[dict[str, Any]]:
    """The cells of one variant, one a seed, trained where `out` does not hold them.

    One that diverges in training is kept as such, so that the others are not lost to it.
    """
    numbers = [reference.seed + i for i in range(seeds)]
    places = [cell_file(out, variant, seed, latents.identity) for seed in numbers]
    cells = [_held(file, key, console) for file, key in places]
    rows = [i for i, cell in enumerate(cells) if cell is None]
    if not rows:
        console.print(f"{variant.name}: done already")
        return [cell for cell in cells if cell is not None]
    own = latents.under(variant.config)
    chosen = own.windows(split, reference.horizon)
    if chosen is None:
        raise InputError(f"no {split} episode is as long as a window; use a smaller one.")
    batch = chosen.batch
    maker = Trainer(own, None, 2, console).makers()[variant.kind]
    phase = make_phases(variant.config)[2]
    phase = phase if variant.kind == MODEL else forecaster_phase(variant.config, phase)
    with make_progress(console) as progress:
        task = progress.add_task(variant.name, total=phase.epochs * len(rows), note="compiling")

        def keep(k: int, **found: Any) -> None:
            i = rows[k]
            file, key = places[i]
            cell = {"key": key, "variant": variant.name, "seed": numbers[i], **found}
            _write(file, cell)
            cells[i] = cell

        def finished(k: int, module: Any) -> None:
            errors = batch.errors(forecast(module, batch))
            if not np.isfinite(errors).all():
                return diverged(k, phase.epochs - 1)
            episodes = np.unique(batch.episode)
            means = [errors[batch.episode == e].mean(0).tolist() for e in episodes]
            keep(k, episodes=episodes.tolist(), errors=means)

        diverged = lambda k, epoch: keep(k, episodes=[], errors=[], diverged=epoch)
        told = lambda done, loss: progress.update(task, completed=done, note=f"loss {loss:.4f}")
        modules, chosen_seeds = [maker(numbers[i]) for i in rows], [numbers[i] for i in rows]
        data = own.training_data()
        fit(variant.config, phase, data, modules, chosen_seeds, finished, told, diverged)
    return [cell for cell in cells if cell is not None]
