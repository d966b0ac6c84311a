"""The commands: what `python cli.py train` and `python cli.py evaluate` do, in order."""

import json
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gyrax._errors import InputError
from gyrax.data.frames import Frames, load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.data.windows import SPLITS
from gyrax.report.tables import report_tables
from gyrax.runtime.device import prepare_device
from gyrax.runtime.processes import is_writer, join_processes, wait_for_all
from gyrax.training import checkpoint as ckpt
from gyrax.training.loop import (
    Resumed,
    Trainer,
    check_architecture,
    open_checkpoint,
    plan_phases,
)
from gyrax.training.programs import Programs
from gyrax.training.settings import TrainConfig, changes, check_choice, make_config

DEFAULT_RUN = Path("outputs/vla/joint")
FIGURE = "figure.png"


def train_run(
    settings: dict[str, Any],
    *,
    preset: str,
    phase: str,
    data: Path | None,
    out: Path | None,
    resume: Path | None,
    overwrite: bool,
    device: str,
    console: Console,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> Path:
    """Train, save, evaluate on the validation episodes, and draw. Returns the run folder.

    Of several processes that `coordinator`, `num_processes` and `process_id` join, the first prints and
    writes.

    Raises `InputError` for anything unusable, before any file is touched.
    """
    check_choice("phase", phase)
    check_choice("device", device)
    join_processes(coordinator, num_processes, process_id)
    platform = prepare_device(device)
    console = console if is_writer() else Console(quiet=True)
    resumed = None if resume is None else open_checkpoint(resume)
    config = make_config(preset, settings, None if resumed is None else resumed.meta.config)
    if resumed is not None:
        check_architecture(config, resumed)
    run = out or (DEFAULT_RUN if resumed is None else resumed.path.parent)
    check_run_folder(run, resumed, overwrite)
    planned = plan_phases(phase, config, resumed)
    frames = load_frames(data or DEFAULT_FOLDER)
    trainer = Trainer(config, frames, run, console, resumed, Programs.of_user())

    console.print(
        f"data: {frames.source} ({frames.episodes} episodes, {len(frames.actions)} frames)"
    )
    many = "" if trainer.mesh.size == 1 else f" ({trainer.mesh.size} devices)"
    phases = ("phase " if len(planned) == 1 else "phases ") + ", ".join(map(str, planned))
    console.print(f"running {phases} on {platform}{many} into {run}")
    if phase == "2" and planned[0] == 1:
        console.print("there is no encoder yet, so phase 1 is trained first")
    _print_changes(config, preset if resumed is None else "resumed run", console)
    wait_for_all("all have checked the run folder")
    if overwrite and is_writer():
        _remove_run(run)
    _, saved = trainer.train(planned)
    if is_writer():
        _finish(run, saved, frames, console)
    wait_for_all("the run is finished")
    return run


def _finish(run: Path, saved: Path, frames: Frames, console: Console) -> None:
    """Evaluate the last checkpoint on the validation episodes, draw, and say where everything is."""
    from gyrax.evaluation.evaluate import Options, evaluate
    from gyrax.report.drawing import run_figure

    console.print("evaluating on the validation episodes ...")
    evaluation = evaluate(open_checkpoint(saved), frames, "val", Options(long=0, learned=False))
    for table in report_tables(evaluation.report):
        console.print(table)
    figure = run_figure(evaluation, run / "log.jsonl", run / FIGURE)
    for what, path in (("run folder", run), ("figure", figure), ("checkpoint", saved)):
        console.print(f"{what}: {path}", soft_wrap=True, highlight=False)


def check_run_folder(run: Path, resumed: Resumed | None, overwrite: bool) -> None:
    """Refuse a folder in which something would be lost. Raises `InputError`."""
    if run.exists() and not run.is_dir():
        raise InputError(f"{run}: is a file; give a folder with --out.")
    if overwrite or not run.is_dir():
        return
    held = sorted(p for p in run.iterdir() if ckpt.NAME.fullmatch(p.name))
    if resumed is None and (held or (run / "config.json").exists()):
        raise InputError(
            f"{run}: already holds a run; continue it with --resume {run}, replace it with "
            "--overwrite, or choose another folder with --out."
        )
    if resumed is None and any(run.iterdir()):
        raise InputError(f"{run}: is not empty; choose another folder with --out.")
    here = resumed is not None and resumed.path.parent.resolve() == run.resolve()
    if resumed is not None and held and (not here or held[-1].name > resumed.path.name):
        raise InputError(
            f"{run}: holds the checkpoint {held[-1].name}, which going on from {resumed.path} could "
            f"replace; resume from it, choose another folder with --out, or add --overwrite."
        )


def _remove_run(run: Path) -> None:
    for file in (run / "config.json", run / "log.jsonl", run / FIGURE):
        file.unlink(missing_ok=True)
    for file in run.glob("report*.html"):
        file.unlink()
    for folder in (*run.glob("p?_epoch_?????"), run / "baselines", run / "figures"):
        shutil.rmtree(folder, ignore_errors=True)


def _print_changes(config: TrainConfig, preset: str, console: Console) -> None:
    differing = changes(config)
    if not differing:
        console.print("settings: the specification's, unchanged")
        return
    table = Table(title=f"What {preset} changes of the specification", title_justify="left")
    for column in ("setting", "specified", "here"):
        table.add_column(column)
    for name, (specified, here) in differing.items():
        table.add_row(name, str(specified), str(here))
    console.print(table)


def evaluate_run(
    checkpoint: Path,
    *,
    data: Path | None,
    split: str,
    numbers: dict[str, Any],
    as_json: bool,
    device: str,
    console: Console,
) -> dict[str, Any]:
    """Evaluate a checkpoint, print the table or the JSON, and write the run's report.

    `numbers` are the fields of [`Options`][gyrax.evaluation.evaluate.Options].
    """
    from gyrax.evaluation.evaluate import Options, evaluate
    from gyrax.report.page import write_report

    if split not in SPLITS:
        raise InputError(f"--split is {split!r}; give one of {', '.join(SPLITS)}.")
    check_choice("device", device)
    options = Options(**numbers)
    resumed = open_checkpoint(checkpoint)
    prepare_device(device)
    said = Console(stderr=True) if as_json else console
    evaluation = evaluate(
        resumed, load_frames(data or DEFAULT_FOLDER), split, options, console=said
    )
    page = write_report(evaluation, resumed.path.parent)
    if as_json:
        print(json.dumps(evaluation.report, indent=1))
    else:
        for table in report_tables(evaluation.report):
            console.print(table)
    said.print(f"report: {page}", soft_wrap=True, highlight=False)
    return evaluation.report
