"""What a person sees in the terminal: progress bars and tables, each of one look."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


class _Speed(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self.unit}/s")


def make_progress(console: Console, *, unit: str | None = None) -> Progress:
    """A bar with a note, the time spent and the time left; with a `unit`, how many a second.

    Tasks take the text of the note as `note=`. The bar goes away when done, unless it is in a terminal.
    """
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}") if unit is None else _Speed(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=unit is not None or not console.is_terminal,
    )


def make_table(
    columns: Sequence[str], *, title: str | None = None, left: int = 1, caption: str | None = None
) -> Table:
    """A table whose first `left` columns are texts; the others are numbers, on the right."""
    table = Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < left else "right", no_wrap=i == 0)
    return table


def print_lines(lines: Iterable[str], console: Console) -> None:
    """Print each as it is, in one line however narrow the terminal."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
