"""`gyrax evaluate`: how well a trained world model predicts, printed and as a report."""

import json
from dataclasses import MISSING, dataclass
from pathlib import Path

from rich.console import Console

from gyrax.commands.flags import DATA, DEVICE, with_options
from gyrax.data.frames import load_all_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.data.windows import SPLITS
from gyrax.runtime.console import print_lines
from gyrax.runtime.device import prepare_device
from gyrax.runtime.options import check_choice, option
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.trainer import Trained


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured, on what, and how it is printed."""

    checkpoint: Path = option(MISSING, "Run folder or checkpoint.")
    data: list[Path] | None = option(None, DATA)
    split: str = option("test", "train, val or test.")
    json: bool = option(False, "Print JSON instead of a table.", "--json")
    seeds: int = option(
        1, "With more than 1: train model and baselines once for each seed.", least=1, most=1000
    )
    samples: int = option(
        0, "Sampled rollouts a window, for coverage and energy score.", least=0, most=10_000
    )
    long: int = option(30, "Frames of the second, longer horizon; 0: none.", least=0, most=100_000)
    baselines: bool = option(
        True, "Train MLPs, GRUs, flat twin and autoencoder beside it.", "--baselines/--no-baselines"
    )
    distances: bool = option(
        False,
        "How distances of latents, of a flat twin's and of features rank with time.",
        "--distances",
    )
    device: str = option("auto", DEVICE)


@with_options(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Measure how well a trained world model predicts, beside baselines trained as it was."""
    from gyrax.evaluation.encoded import Encoded
    from gyrax.evaluation.evaluate import Options
    from gyrax.evaluation.evaluate import evaluate as measure
    from gyrax.report.page import write_report
    from gyrax.report.tables import report_tables

    check_choice("--split", options.split, SPLITS)
    asked = Options(
        options.seeds, options.samples, options.long, options.baselines, options.distances
    )
    trained = Trained.of(open_checkpoint(options.checkpoint))
    prepare_device(options.device)
    console, messages = Console(), Console(stderr=options.json)
    frames = load_all_frames(options.data or [DEFAULT_FOLDER])
    dataset = Dataset.of(frames, trained.settings, trained.normaliser)
    print_lines(dataset.remarks(options.split), messages)
    evaluation = measure(Encoded.of(trained, dataset), options.split, asked, console=messages)
    page = write_report(evaluation, trained.path.parent)
    if options.json:
        print(json.dumps(evaluation.report, indent=1))
    else:
        for table in report_tables(evaluation.report):
            console.print(table)
    messages.print(f"report: {page}", soft_wrap=True, highlight=False)
