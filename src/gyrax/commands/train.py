"""`gyrax train`: train, save, evaluate on the validation episodes, and draw."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import DATA, DEVICE, PRESET, with_options, with_settings
from gyrax.data.frames import load_all_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.runtime.console import make_table, print_lines
from gyrax.runtime.device import prepare_device
from gyrax.runtime.options import option
from gyrax.runtime.processes import is_writer, join_processes, wait_for_all
from gyrax.training.checkpoint import Checkpoint, checkpoints_in, open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.presets import (
    DEFAULT,
    DOCUMENT,
    differences,
    load_preset,
    make_settings,
)
from gyrax.training.resume import check_resumed
from gyrax.training.settings import Settings
from gyrax.training.trainer import LOG_FILE, SETTINGS_FILE, Trained, Trainer, plan_phases

DEFAULT_RUN = Path("outputs/vla/joint")
FIGURE = "figure.png"
PHASES = ("1", "2", "3", "all")
UNFINISHED = (SETTINGS_FILE, LOG_FILE)
"""What a run leaves that ended before its first checkpoint: nothing is lost with it."""


@dataclass(frozen=True)
class TrainOptions:
    """What is trained, on what, and into which folder."""

    preset: str | None = option(None, PRESET)
    phase: str = option("all", "1, 2, 3 or all.")
    data: list[Path] | None = option(None, DATA)
    out: Path | None = option(None, "Run folder. [default: outputs/vla/joint]")
    resume: Path | None = option(None, "Checkpoint or run folder to go on from.")
    overwrite: bool = option(False, "Replace the run that the folder holds.", "--overwrite")
    device: str = option("auto", DEVICE)
    coordinator: str | None = option(None, "host:port of process 0, to train in several processes.")
    num_processes: int | None = option(
        None, "How many processes; a cluster's launcher is recognised.", least=1
    )
    process_id: int | None = option(None, "Which of them this is; 0 writes all files.", least=0)


@with_settings
@with_options(TrainOptions)
def train(options: TrainOptions, *, given: dict[str, Any]) -> None:
    """Train encoder (phase 1), world model (2), both together (3), or all in turn."""
    if options.phase not in PHASES:
        raise InputError(f"--phase is {options.phase!r}; give one of {', '.join(PHASES)}.")
    join_processes(options.coordinator, options.num_processes, options.process_id)
    platform = prepare_device(options.device)
    console = Console(quiet=not is_writer())
    resumed = None if options.resume is None else open_checkpoint(options.resume)
    base = None if resumed is None else resumed.meta.settings
    settings = make_settings(options.preset, given, base)
    run = options.out or (DEFAULT_RUN if resumed is None else resumed.path.parent)
    check_run_folder(run, resumed, options.overwrite)
    meta = None if resumed is None else resumed.meta
    planned = plan_phases(options.phase, settings, meta)
    frames = load_all_frames(options.data or [DEFAULT_FOLDER])
    if resumed is not None:
        check_resumed(resumed, settings, frames, same_phase=resumed.meta.phase in planned)
    dataset = Dataset.of(frames, settings, None if resumed is None else resumed.normaliser)
    trainer = Trainer(settings, dataset, run, console, resumed)

    console.print(
        f"data: {frames.source} ({frames.episodes} episodes, {len(frames.actions)} frames)"
    )
    print_lines(dataset.remarks("val"), console)
    many = "" if trainer.mesh.size == 1 else f" ({trainer.mesh.size} devices)"
    phases = ("phase " if len(planned) == 1 else "phases ") + ", ".join(map(str, planned))
    console.print(f"running {phases} on {platform}{many} into {run}")
    if options.phase == "2" and planned[0] == 1:
        console.print("there is no encoder yet, so phase 1 is trained first")
    name = "the resumed run" if resumed is not None else options.preset or DEFAULT
    _print_changes(settings, name, console)
    wait_for_all("all have checked the run folder")
    if (options.overwrite or resumed is None) and is_writer():
        _remove_run(run)
    wait_for_all("the run folder is ready")
    trained = trainer.train(planned)
    if is_writer():
        _finish(trained, dataset, console)
    wait_for_all("the run is finished")


def _finish(trained: Trained, dataset: Dataset, console: Console) -> None:
    """Evaluate on the validation episodes, draw, and say where everything is."""
    from gyrax.evaluation.encoded import Encoded
    from gyrax.evaluation.evaluate import Options, evaluate
    from gyrax.report.drawing import run_figure
    from gyrax.report.tables import report_tables

    console.print("evaluating on the validation episodes ...")
    run, encoded = trained.path.parent, Encoded.of(trained, dataset)
    evaluation = evaluate(encoded, "val", Options(long=0, learned=False))
    for table in report_tables(evaluation.report):
        console.print(table)
    figure = run_figure(evaluation, run / LOG_FILE, run / FIGURE)
    for what, path in (("run folder", run), ("figure", figure), ("checkpoint", trained.path)):
        console.print(f"{what}: {path}", soft_wrap=True, highlight=False)


def check_run_folder(run: Path, resumed: Checkpoint | None, overwrite: bool) -> None:
    """Refuse a folder in which something would be lost. Raises `InputError`."""
    blocking = next((p for p in (run, *run.parents) if p.exists()), run)
    if blocking.exists() and not blocking.is_dir():
        raise InputError(f"{blocking}: is a file; give a folder with --out.")
    if overwrite or not run.is_dir():
        return
    there = checkpoints_in(run)
    if resumed is None:
        if there:
            raise InputError(
                f"{run}: already holds a run; continue it with --resume {run}, replace it with "
                "--overwrite, or choose another folder with --out."
            )
        if any(file.name not in UNFINISHED for file in run.iterdir() if "-tmp" not in file.name):
            raise InputError(f"{run}: is not empty; choose another folder with --out.")
        return
    here = resumed.path.parent.resolve() == run.resolve()
    if there and (not here or there[-1].name > resumed.path.name):
        raise InputError(
            f"{run}: holds the checkpoint {there[-1].name}, which going on from {resumed.path} could "
            f"replace; resume from it, choose another folder with --out, or add --overwrite."
        )


def _remove_run(run: Path) -> None:
    for file in (run / SETTINGS_FILE, run / LOG_FILE, run / FIGURE, *run.glob("report*.html")):
        file.unlink(missing_ok=True)
    checkpoints = checkpoints_in(run) if run.is_dir() else []
    for folder in (*checkpoints, run / "baselines", run / "figures"):
        shutil.rmtree(folder, ignore_errors=True)


def _print_changes(settings: Settings, name: str, console: Console) -> None:
    differing = differences(load_preset(DOCUMENT), settings)
    if not differing:
        console.print("settings: the document's, unchanged")
        return
    table = make_table(
        ("setting", "document", "here"), title=f"How {name} differs from the document", left=3
    )
    for leaf, (document, here) in differing.items():
        table.add_row(leaf.key, str(document), str(here))
    console.print(table)
