"""What a feature cache says about itself: the content of its `meta.json`."""

import dataclasses
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import show
from gyrax.runtime.checksums import facts_digest

FORMAT = "gyrax feature cache, version 1"
REMEDY = "extract the features again into a new folder"


@dataclass(frozen=True)
class CacheMeta:
    """Where the features of a cache come from.

    **Fields:**

    - `backbone` and its `settings`: what computed the features, with everything they depend on.
    - `arguments`: those of the `extract` command that made it.
    - `dataset`, the folder's absolute path, and its `fingerprint`, `fps` and `tasks`.
    - `lengths`: the number of frames of every episode of the data set.
    - `columns`, `state_columns`, `action_columns`: a name for each component.
    - `mean` and `scale`: a stored feature times `scale` plus `mean` is in the data set's units; empty
      where it has none.
    - `episodes`: how many episodes, from the first on, were asked for.
    """

    backbone: str
    settings: dict[str, Any]
    arguments: tuple[str, ...]
    dataset: str
    fingerprint: str
    fps: float
    tasks: tuple[str, ...]
    lengths: tuple[int, ...]
    columns: tuple[str, ...]
    state_columns: tuple[str, ...]
    action_columns: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    episodes: int

    def identity(self) -> dict[str, Any]:
        """All that the stored numbers depend on, as JSON has it."""
        fields = dataclasses.asdict(self)
        for name in ("arguments", "dataset", "episodes"):
            del fields[name]
        return json.loads(json.dumps(fields))

    def digest(self) -> str:
        """A hash of the identity, which every file of the cache carries."""
        return facts_digest(self.identity())[:32]

    def command(self, cache: Path) -> str:
        """The command that makes or completes this cache at `cache`."""
        words = ["python", "cli.py", "extract", "--dataset", self.dataset, *self.arguments]
        if self.episodes < len(self.lengths):
            words += ["--max-episodes", str(self.episodes)]
        return shlex.join([*words, "--out", str(cache)])

    def to_json(self) -> str:
        """The text of `meta.json`."""
        fields = {"feature_width": len(self.columns), **dataclasses.asdict(self)}
        return json.dumps({"format": FORMAT, **fields}, indent=1)


def parse_meta(file: Path, raw: Any) -> CacheMeta:
    """Check the parsed `meta.json`. Raises `InputError` naming the first unusable field."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else raw
        raise InputError(f"{file}: format is {show(found)}, expected {FORMAT!r}; {REMEDY}.")
    texts = ("tasks", "columns", "state_columns", "action_columns", "arguments")
    expected = {
        **dict.fromkeys(("backbone", "dataset", "fingerprint"), ("a text", _text)),
        **dict.fromkeys(texts, ("a list of texts", lambda x: _all(x, _text))),
        **dict.fromkeys(("mean", "scale"), ("a list of numbers", lambda x: _all(x, _number))),
        "lengths": ("a list of positive integers", lambda x: _all(x, _positive)),
        "fps": ("a number above 0", lambda x: _number(x) and x > 0),
        "settings": ("an object", lambda x: isinstance(x, dict)),
        "episodes": ("a number of the episodes", _count),
    }
    for name, (what, fits) in expected.items():
        if not fits(raw.get(name)):
            raise InputError(f"{file}: {name} is {show(raw.get(name))}, expected {what}; {REMEDY}.")
    fields: dict[str, Any] = {name: raw[name] for name in expected}
    for name, value in fields.items():
        fields[name] = tuple(value) if isinstance(value, list) else value
    meta = CacheMeta(**fields)
    width = len(meta.columns)
    if not 0 < meta.episodes <= len(meta.lengths):
        raise InputError(
            f"{file}: episodes is {meta.episodes}, expected 1 to {len(meta.lengths)}; {REMEDY}."
        )
    for name in ("mean", "scale"):
        count = len(getattr(meta, name))
        if count not in (0, width):
            raise InputError(
                f"{file}: {name} has {count} values, but columns lists {width}; {REMEDY}."
            )
    if raw.get("feature_width") != width:
        found = show(raw.get("feature_width"))
        raise InputError(f"{file}: feature_width is {found}, but columns lists {width}; {REMEDY}.")
    for name in ("columns", "state_columns", "action_columns"):
        if not getattr(meta, name):
            raise InputError(f"{file}: {name} is empty, expected at least one; {REMEDY}.")
    return meta


def _all(value: Any, fits: Any) -> bool:
    return isinstance(value, list) and all(fits(item) for item in value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e38


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _positive(value: Any) -> bool:
    return _count(value) and value > 0
