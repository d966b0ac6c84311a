"""What an ablation varies: `NAME=V1,V2` texts into settings."""

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

from gyrax._errors import InputError
from gyrax.losses.total import DYNAMICS
from gyrax.training.presets import make_settings
from gyrax.training.settings import LEAVES, WEIGHTS, Leaf, Settings

ALIASES = {
    "force": "wm_force", "potential": "wm_use_potential", "control": "wm_use_control",
    "boris": "wm_use_boris", "jump": "wm_use_jump",
    "alpha": "wm_alpha_potential", "temperature": "wm_T_c", "context": "wm_context",
    "substeps": "wm_substeps", "dt": "wm_dt",
}  # fmt: skip
WITHOUT = {
    "fields": {"wm_use_potential": False, "wm_use_control": False, "wm_use_boris": False},
    "servo": {"wm_servo": 0, "wm_memory": 0},
}
"""What is several settings at once, and can be taken away only."""
SWITCH = {"on": True, "true": True, "off": False, "false": False}
CURVATURE = ("ball", "flat")
REFERENCE = "reference"


@dataclass(frozen=True)
class Variant:
    """Named settings; `flat` trains the flat twin instead."""

    name: str
    settings: Settings
    flat: bool = False

    @property
    def kind(self) -> str:
        """The forecaster that it trains."""
        return "flat_twin" if self.flat else "model"


class Change(NamedTuple):
    """One value of one factor: its text, and what it sets, by flags' names; `flat`, or None."""

    text: str
    given: dict[str, Any]
    flat: bool | None = None


def may_vary(leaf: Leaf) -> bool:
    """Whether variants on one encoder may differ in a setting: what is of the world model, of its motion and
    of phase 2."""
    owner, *below = leaf.path
    if owner == WEIGHTS:
        return below[0] in {term.name for term in DYNAMICS}
    if owner == "training":
        return len(below) == 1 or below[0] == "phase2"
    return owner in ("world_model", "integration")


def parse_factor(text: str) -> tuple[Change, ...]:
    """`NAME=V1,V2` as a change for each value.

    Raises `InputError` for an unknown name, a value of the wrong type, or none at all.
    """
    name, _, values = text.partition("=")
    listed = [v.strip() for v in values.split(",") if v.strip()]
    if not name or not listed:
        raise InputError(f"--vary is {text!r}; write NAME=VALUE,VALUE, such as solver=baoab,obabo.")
    return tuple(_change(name, value) for value in listed)


def _change(name: str, value: str) -> Change:
    text = f"{name}={value}"
    if name == "curvature":
        if value not in CURVATURE:
            raise InputError(
                f"--vary curvature={value}: give ball or flat (the flat twin); another curvature is "
                "another encoder, hence another ablation: --curvature VALUE --out OTHER."
            )
        return Change(text, {}, value == "flat")
    if name in WITHOUT:
        if value != "off":
            raise InputError(f"--vary {text}: give {name}=off.")
        return Change(text, WITHOUT[name])
    leaf = LEAVES.get(ALIASES.get(name, name).replace("-", "_"))
    if leaf is None:
        known = ", ".join(["curvature", *WITHOUT, *ALIASES])
        raise InputError(f"--vary {name}: no such setting; give one of {known}, or a flag's name.")
    if not may_vary(leaf):
        raise InputError(
            f"--vary {name}: all variants share one encoder, data and budget, so it cannot be varied; "
            "give it as a flag of a second ablation with another --out."
        )
    try:
        given = SWITCH[value.lower()] if leaf.type is bool else leaf.type(value)
    except (ValueError, KeyError):
        wanted = "on or off" if leaf.type is bool else leaf.type.__name__
        raise InputError(f"--vary {text}: give {wanted}.") from None
    return Change(text, {leaf.key: given})


def make_variants(
    reference: Settings, factors: list[tuple[Change, ...]], *, grid: bool
) -> list[Variant]:
    """The reference, then one factor at a time about it, or with `grid` every combination.

    Those equal to the reference are left out.
    """
    if grid:
        combined = itertools.product(*factors)
    else:
        combined = ((change,) for changes in factors for change in changes)
    variants = [Variant(REFERENCE, reference)]
    for combination in combined:
        given = {key: value for change in combination for key, value in change.given.items()}
        settings = make_settings(None, given, reference)
        flat = any(change.flat for change in combination)
        if not any(v.settings == settings and v.flat == flat for v in variants):
            name = " ".join(change.text for change in combination)
            variants.append(Variant(name, settings, flat))
    return variants
