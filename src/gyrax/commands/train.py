"""`gyrax train`: train, save, evaluate on the validation episodes, and draw."""

import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from gyrax.commands.flags import DATA, DEVICE, PRESET, with_options, with_settings
from gyrax.data.frames import open_all_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.runtime.console import make_table, print_lines
from gyrax.runtime.device import prepare_device
from gyrax.runtime.locks import locked
from gyrax.runtime.options import check_choice, option
from gyrax.runtime.processes import is_writer, join_processes, wait_for_all
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.presets import (
    DEFAULT,
    DOCUMENT,
    differences,
    load_preset,
    make_settings,
    to_dict,
)
from gyrax.training.resume import check_resumed
from gyrax.training.run_folder import FIGURE, LOG_FILE, check_run_folder, continuing, run_of, settle
from gyrax.training.settings import Settings
from gyrax.training.trackers import TRACKERS, make_tracker, tracked
from gyrax.training.trainer import Stopped, Trained, Trainer, plan_phases

DEFAULT_RUN = Path("outputs/vla/joint")
PHASES = ("1", "2", "3", "all")


@dataclass(frozen=True)
class TrainOptions:
    """What is trained, on what, and into which folder."""

    preset: str | None = option(None, PRESET)
    phase: str = option("all", "1, 2, 3 or all.")
    data: list[Path] | None = option(None, DATA)
    out: Path | None = option(None, "Run folder. [default: outputs/vla/joint]")
    resume: Path | None = option(None, "Checkpoint, run folder or exported model to go on from.")
    overwrite: bool = option(
        False,
        "Replace the run that the folder holds, once the new one has a checkpoint.",
        "--overwrite",
    )
    track: str | None = option(
        None, f"Show the log's numbers in {', '.join(TRACKERS)} too, which has to be installed."
    )
    device: str = option("auto", DEVICE)
    coordinator: str | None = option(None, "host:port of process 0, to train in several processes.")
    num_processes: int | None = option(
        None, "How many processes; a cluster's launcher is recognised.", least=1
    )
    process_id: int | None = option(None, "Which of them this is; 0 writes all files.", least=0)

    def asked(self) -> str:
        """The flags, besides the settings, that a training goes on with as it was begun."""
        data = [flag for folder in self.data or [] for flag in ("--data", str(folder.resolve()))]
        return shlex.join(["--phase", self.phase, *data])


@with_settings
@with_options(TrainOptions)
def train(options: TrainOptions, *, given: dict[str, Any]) -> None:
    """Train encoder (phase 1), world model (2), both together (3), or all in turn."""
    check_choice("--phase", options.phase, PHASES)
    join_processes(options.coordinator, options.num_processes, options.process_id)
    platform = prepare_device(options.device)
    tracker = make_tracker(options.track) if options.track and is_writer() else None
    console = Console(quiet=not is_writer())
    run = options.out or (DEFAULT_RUN if options.resume is None else run_of(options.resume))
    if is_writer():
        settle(run)
    wait_for_all("the run folder is settled")
    resumed = None if options.resume is None else open_checkpoint(options.resume)
    base = None if resumed is None else resumed.meta.settings
    settings = make_settings(options.preset, given, base)
    check_run_folder(run, resumed, options.overwrite)
    meta = None if resumed is None else resumed.meta
    planned = plan_phases(options.phase, settings, meta)
    frames = open_all_frames(options.data or [DEFAULT_FOLDER])
    if resumed is not None:
        check_resumed(resumed, settings, frames, same_phase=resumed.meta.phase in planned)
    dataset = Dataset.of(frames, settings, None if resumed is None else resumed.normaliser)
    trainer = Trainer(settings, dataset, run, console, resumed, options.asked())

    console.print(
        f"data: {frames.source} ({frames.episodes} episodes, {frames.offsets[-1]} frames)"
    )
    print_lines(dataset.remarks("val"), console)
    many = "" if trainer.mesh.size == 1 else f" ({trainer.mesh.size} devices)"
    phases = ("phase " if len(planned) == 1 else "phases ") + ", ".join(map(str, planned))
    console.print(f"running {phases} on {platform}{many} into {run}")
    if options.phase == "2" and planned[0] == 1:
        state = "there is no encoder" if resumed is None else "phase 1 is not finished"
        console.print(f"{state} yet, so phase 1 is trained first")
    name = "the resumed run" if resumed is not None else options.preset or DEFAULT
    _print_changes(settings, name, console)
    changed = {} if base is None else differences(base, settings)
    for leaf, (old, new) in changed.items():
        console.print(f"changed from the resumed run: {leaf.name} {old} -> {new}")
    with (
        tracked(tracker, run, to_dict(settings), console) as track,
        locked(run) if is_writer() else nullcontext(),
    ):
        if is_writer():  # again: another run may have ended in it
            check_run_folder(run, resumed, options.overwrite)
        try:
            trained = trainer.train(planned, track)
        except Stopped as stopped:
            print_lines([f"asked to end; go on with `{continuing(stopped.path)}`"], console)
            raise typer.Exit(143) from None
        if is_writer():
            _finish(trained, dataset, options.data or (), console)
        wait_for_all("the run is finished")


def _finish(trained: Trained, dataset: Dataset, data: Sequence[Path], console: Console) -> None:
    """Evaluate on the validation episodes, draw, and say where everything is."""
    from gyrax.evaluation.encoded import Encoded
    from gyrax.evaluation.evaluate import Options, evaluate
    from gyrax.report.drawing import run_figure
    from gyrax.report.page import write_report
    from gyrax.report.tables import report_tables

    console.print("evaluating on the validation episodes ...")
    run, encoded = trained.path.parent, Encoded.of(trained, dataset.held("train", "val"))
    evaluation = evaluate(encoded, "val", Options(long=0, learned=False))
    for table in report_tables(evaluation.report):
        console.print(table)
    figure = run_figure(evaluation, run / LOG_FILE, run / FIGURE)
    page = write_report(evaluation, run)
    named = {"run folder": run, "figure": figure, "checkpoint": trained.path, "page": page}
    print_lines((f"{what}: {path}" for what, path in named.items()), console)
    print_lines(next_commands(run, data), console)


def next_commands(run: Path, data: Sequence[Path]) -> list[str]:
    """What one would type after training: to watch forecasts, and to compare on the test episodes."""
    given = [word for path in data for word in ("--data", str(path))]
    view = shlex.join(["gyrax", "view", str(run), *given])
    evaluate = shlex.join(["gyrax", "evaluate", "--checkpoint", str(run), *given])
    wide = max(len(view), len(evaluate))
    return [
        f"next: {view:{wide}}  # watch forecasts beside the truth",
        f"      {evaluate:{wide}}  # test episodes, beside every baseline",
    ]


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
