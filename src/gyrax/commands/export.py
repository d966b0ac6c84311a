"""`gyrax export`: a trained model as a folder to hand on, read back by every `--checkpoint`."""

import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from gyrax._errors import InputError
from gyrax.runtime.console import print_lines
from gyrax.runtime.files import folder_written_whole
from gyrax.runtime.hub import Hub
from gyrax.training.checkpoint import SYSTEM, Checkpoint, open_checkpoint
from gyrax.training.exported import MODEL_FILE, write_model

CARD = "README.md"


def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or a checkpoint in it.")],
    out: Annotated[Path, typer.Option(help="Folder to write; --checkpoint reads it.")],
    license: Annotated[
        str, typer.Option(help="Licence of the model, an identifier such as mit or cc-by-4.0.")
    ] = "apache-2.0",
    push: Annotated[
        str | None,
        typer.Option(help="Upload it to this repository of the Hugging Face Hub, OWNER/NAME."),
    ] = None,
) -> None:
    """Write a trained model as model.safetensors, config.json and a model card."""
    from gyrax.report.card import check_license, model_card, run_figures

    check_license(license)
    hub = None if push is None else Hub(push)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; give a new folder with --out.")
    checkpoint = open_checkpoint(run)
    check_whole(checkpoint)
    figures = run_figures(checkpoint.path)
    name = push or out.resolve().name
    card = model_card(checkpoint, name=name, license=license, figures=list(figures))
    # Where things lay on this machine is nobody's business.
    source = ", ".join(Path(part).name for part in checkpoint.meta.source.split(", "))
    with folder_written_whole(out) as folder:
        write_model(
            folder, checkpoint.meta._replace(source=source, asked="").content(), checkpoint.arrays
        )
        for name, file in figures.items():
            shutil.copyfile(file, folder / name)
        (folder / CARD).write_text(card)
    size = (out / MODEL_FILE).stat().st_size / 1e6
    lines = [f"model: {out} ({size:.1f} MB, from {checkpoint.path})", f"card: {out / CARD}"]
    if hub is not None:
        lines.append(f"pushed: {hub.push(out)}")
    print_lines(lines, Console())


def check_whole(checkpoint: Checkpoint) -> None:
    """Raises `InputError` where no system fits a checkpoint's arrays, or one of them is not finite."""
    checkpoint.system()
    for name, array in checkpoint.arrays.items():
        if name.startswith(SYSTEM) and not np.isfinite(array).all():
            raise InputError(
                f"{checkpoint.path}: {name} has numbers that are not finite; export another checkpoint."
            )
