"""`gyrax ablate`: variants of one setting, compared in pairs, as tables and a figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import DATA, DEVICE, PRESET, with_options, with_settings
from gyrax.data.frames import load_all_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.data.windows import SPLITS
from gyrax.runtime.device import prepare_device
from gyrax.runtime.locks import locked
from gyrax.runtime.options import check_choice, option
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.presets import make_settings
from gyrax.training.resume import ENCODER, check_shared
from gyrax.training.trainer import Trained


@dataclass(frozen=True)
class AblateOptions:
    """What is varied, about what, and into which folder."""

    vary: list[str] | None = option(
        None,
        "NAME=V1,V2: a setting by its flag, or solver, force, potential, control, boris, jump, alpha, "
        "temperature, context, substeps, dt, curvature=ball,flat, fields=off (potential, control and "
        "boris), servo=off (its memory too). Give it several times.",
    )
    grid: bool = option(False, "Every combination, not one factor at a time.", "--grid")
    seeds: int = option(3, "Training seeds a variant.", least=1, most=1000)
    preset: str | None = option(None, PRESET)
    encoder: Path | None = option(None, "Run whose encoder and settings all variants share.")
    data: list[Path] | None = option(None, DATA)
    split: str = option("val", "Episodes that are scored.")
    out: Path = option(Path("outputs/ablation"), "Folder of cells and tables; may be resumed.")
    device: str = option("auto", DEVICE)

    def __post_init__(self) -> None:
        """Reject unusable values, each with its flag."""
        check_choice("--split", self.split, SPLITS)
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out}: is a file; give a folder with --out.")


@with_settings
@with_options(AblateOptions)
def ablate(options: AblateOptions, *, given: dict[str, Any]) -> None:
    """Train variants of one setting on one encoder with one budget, and compare them in pairs."""
    from gyrax.ablation.figure import draw_ablation
    from gyrax.ablation.run import Ablation
    from gyrax.ablation.table import console_table, write_tables
    from gyrax.ablation.variants import make_variants, parse_factor

    checkpoint = None if options.encoder is None else open_checkpoint(options.encoder)
    base = None if checkpoint is None else checkpoint.meta.settings
    reference = make_settings(options.preset, given, base)
    if checkpoint is not None:
        check_shared(checkpoint, reference, ENCODER)
    factors = [parse_factor(text) for text in options.vary or []]
    variants = make_variants(reference, factors, grid=options.grid)
    if reference.training.phase2.epochs == 0:
        raise InputError("--phase2-epochs is 0; an ablation trains phase 2: give 1 or more.")
    prepare_device(options.device)
    frames = load_all_frames(options.data or [DEFAULT_FOLDER])
    ablation = Ablation(reference, frames, options.split, options.encoder, options.out)
    ablation.check_folder()
    console, out = Console(), options.out
    trained = None if checkpoint is None else Trained.of(checkpoint)
    with locked(out):
        ablation.check_folder()  # again: another may have been begun in it
        summary = ablation.run(trained, variants, options.seeds, console)
        files = (*write_tables(summary, out), draw_ablation(summary, out / "ablation.png"))
    console.print(console_table(summary))
    for file in files:
        console.print(str(file), soft_wrap=True, highlight=False)
