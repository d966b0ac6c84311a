"""`gyrax view`: a page that shows forecasts of a run beside the truth, to be opened in a browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
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
class ViewOptions:
    """What is shown."""

    data: list[Path] | None = option(None, DATA)
    split: str = option("test", "train, val or test.")
    horizon: int = option(
        30, "Frames of a forecast; fewer where no episode is so long.", least=1, most=100_000
    )
    episodes: int = option(10, "Most episodes on the page, each about 100 kB.", least=1)
    samples: int = option(10, "Sampled forecasts from every start; 0: none.", least=0, most=10_000)
    device: str = option("auto", DEVICE)


@with_options(ViewOptions)
def view(
    run: Annotated[Path, typer.Argument(help="Run folder or checkpoint.")], options: ViewOptions
) -> None:
    """Write a page that plays forecasts beside the truth, in the ball and on the robot."""
    from gyrax.evaluation.encoded import Encoded
    from gyrax.evaluation.sampling import check_samples
    from gyrax.report.view.page import write_view

    check_choice("--split", options.split, SPLITS)
    if options.samples:
        check_samples(options.samples)
    trained = Trained.of(open_checkpoint(run))
    prepare_device(options.device)
    console, data = Console(), options.data or [DEFAULT_FOLDER]
    frames = load_all_frames(data)
    dataset = Dataset.of(frames, trained.settings, trained.normaliser)
    print_lines(dataset.remarks(options.split), console)
    page = write_view(
        Encoded.of(trained, dataset),
        options.split,
        data,
        horizon=options.horizon,
        episodes=options.episodes,
        samples=options.samples,
        console=console,
    )
    print_lines([f"page: {page}"], console)
