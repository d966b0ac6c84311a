"""The files that the path templates of `meta/info.json` name: always inside the folder."""

import re
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Literal

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import REMEDY, show
from gyrax.data.lerobot.schema import Info

_FORMAT_SPEC = re.compile(r"(0?[0-9]{1,2})?d?")


def fill_template(
    info: Info, name: Literal["data_path", "video_path"], **values: int | str
) -> Path:
    """The file that the template `name` of `info` names for these values: always inside the folder.

    Raises `InputError` where there is no template, it has a field other than `values`, lacks the
    last of them or a text among them, or would leave the folder.
    """
    template = getattr(info, name)
    what = f"{info.file}: {name} is {show(template)}"
    if template is None:
        raise InputError(f"{what}, expected a text; {REMEDY}")
    found = set()
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"{what}, which is no valid template ({error}); {REMEDY}") from None
    for _, field_name, spec, conversion in parts:
        if field_name is None:
            continue
        numbered = isinstance(values.get(field_name), int) and _FORMAT_SPEC.fullmatch(spec or "")
        if conversion or not (numbered or (field_name in values and not spec)):
            known = ", ".join(f"{{{key}}}" for key in values)
            raise InputError(f"{what}, expected only the fields {known}; {REMEDY}")
        found.add(field_name)
    *_, last = values
    for needed in (last, *(key for key, value in values.items() if isinstance(value, str))):
        if needed not in found:
            raise InputError(f"{what}, expected it to hold {{{needed}}}; {REMEDY}")
    filled = template.format(**values)
    relative = PurePosixPath(filled)
    # Backslashes and colons lead out of the folder on Windows.
    outside = relative.is_absolute() or ".." in relative.parts or set(filled) & set("\\:")
    # Symbolic links are left alone: the cache of the Hugging Face hub is made of them.
    if outside or not filled.isprintable():
        raise InputError(f"{what}, expected a path that stays inside the folder; {REMEDY}")
    return info.file.parent.parent / relative
