"""Which camera of a LeRobot folder is which of those that SmolVLA's weights expect."""

import re
from collections.abc import Sequence

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import show, show_all
from gyrax.data.lerobot.folder import LeRobotFolder


def parse_pair(text: str) -> tuple[str, str]:
    """The name and the key of `NAME=KEY`. Raises `InputError` for any other text."""
    name, equals, key = text.partition("=")
    if not (name and equals and key):
        raise InputError(f"--camera is {show(text)}, expected NAME=KEY, such as camera1=top.")
    return name, key


def match_cameras(
    folder: LeRobotFolder, names: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """The weights' camera `names` with the folder's keys, as the `pairs` of `--camera` say.

    Either may be given without `observation.images.`. Raises `InputError` where a pair does not fit, with
    the names and keys there are.
    """
    there = (
        f"the weights expect {show_all(map(_short, names))}, the folder has "
        f"{show_all(map(_short, folder.cameras))}; give --camera NAME=KEY for each that you have"
    )
    chosen: dict[str, str] = {}
    for name, key in pairs:
        full = [n for n in names if name in (n, _short(n))]
        found = [k for k in folder.cameras if key in (k, _short(k))]
        if not full or not found:
            wrong = f"no camera NAME {show(name)}" if not full else f"no camera KEY {show(key)}"
            raise InputError(f"--camera {name}={key}: there is {wrong}; {there}.")
        if full[0] in chosen or found[0] in chosen.values():
            raise InputError(f"--camera {name}={key}: is given twice; {there}.")
        chosen[full[0]] = found[0]
    if not chosen:
        raise InputError(f"{folder.path}: no camera is chosen; {there}.")
    return chosen


def _short(name: str) -> str:
    return re.sub(r"^observation\.(images\.)?", "", name)
