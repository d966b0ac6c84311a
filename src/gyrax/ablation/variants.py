"""What an ablation varies: `NAME=V1,V2` texts into configurations."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, get_type_hints

from gyrax._errors import InputError
from gyrax.losses.total import DYNAMICS
from gyrax.training.settings import TrainConfig

ALIASES = {
    "force": "wm_force", "boris": "wm_use_boris", "jump": "wm_use_jump",
    "alpha": "wm_alpha_potential", "temperature": "wm_T_c", "context": "wm_context",
    "substeps": "wm_substeps", "dt": "wm_dt",
}  # fmt: skip
# These make the encoder, or its data, another one; all variants share one encoder.
SHARED = (
    "latent_dim", "num_charts", "hidden_dim", "codes_per_chart", "action_dim", "action_history",
    "phase1_epochs", "lr", "phase3_epochs", "lr_joint_encoder", "lr_joint_wm", "encoder_scale",
    "dynamics_scale", "seed", "log_every", "save_every", "weights",
)  # fmt: skip
SWITCH = {"on": True, "true": True, "off": False, "false": False}
CURVATURE = ("ball", "flat")
REFERENCE = "reference"


@dataclass(frozen=True)
class Variant:
    """A named configuration; `flat` trains its flat twin instead."""

    name: str
    config: TrainConfig
    flat: bool = False

    @property
    def kind(self) -> str:
        """The forecaster that it trains."""
        return "flat_twin" if self.flat else "model"


Factor = tuple[str, tuple[tuple[str, dict[str, Any]], ...]]


def parse_factor(text: str) -> Factor:
    """`NAME=V1,V2` as a name and, for each value, its text and the changes that it makes.

    Raises `InputError` for an unknown name, a value of the wrong type, or none at all.
    """
    name, _, listed = text.partition("=")
    values = [v.strip() for v in listed.split(",") if v.strip()]
    if not name or not values:
        raise InputError(f"--vary is {text!r}; write NAME=VALUE,VALUE, such as solver=baoab,obabo.")
    return name, tuple((f"{name}={value}", _change(name, value)) for value in values)


def _change(name: str, value: str) -> dict[str, Any]:
    if name == "curvature":
        if value not in CURVATURE:
            raise InputError(
                f"--vary curvature={value}: give ball or flat (the flat twin); another curvature is "
                "another encoder, hence another ablation: --curvature VALUE --out OTHER."
            )
        return {"flat": value == "flat"}
    field = ALIASES.get(name, name).replace("-", "_")
    types = get_type_hints(TrainConfig) | {f"w_{term.name}": float for term in DYNAMICS}
    if field not in types:
        known = ", ".join(["curvature", *ALIASES])
        raise InputError(f"--vary {name}: no such setting; give one of {known}, or a flag's name.")
    if field in SHARED:
        raise InputError(
            f"--vary {name}: all variants share one encoder, data and budget, so it cannot be varied; "
            "give it as a flag of a second ablation with another --out."
        )
    try:
        kind = types[field]
        return {field: SWITCH[value.lower()] if kind is bool else kind(value)}
    except (ValueError, KeyError):
        wanted = "on or off" if types[field] is bool else types[field].__name__
        raise InputError(f"--vary {name}={value}: give {wanted}.") from None


def make_variants(reference: TrainConfig, factors: list[Factor], *, grid: bool) -> list[Variant]:
    """The reference, then one factor at a time about it, or with `grid` every combination.

    Those equal to the reference are left out.
    """
    if grid:
        combined = itertools.product(*(values for _, values in factors))
    else:
        combined = ((value,) for _, values in factors for value in values)
    variants = [Variant(REFERENCE, reference)]
    seen = {(repr(reference), False)}
    for combination in combined:
        changes = {k: v for _, change in combination for k, v in change.items()}
        flat = changes.pop("flat", False)
        weights = {k: changes.pop(f"w_{k}") for k in reference.weights if f"w_{k}" in changes}
        weights = reference.weights | weights
        config = dataclasses.replace(reference, weights=weights, **changes)
        if (repr(config), flat) not in seen:
            seen.add((repr(config), flat))
            variants.append(Variant(" ".join(text for text, _ in combination), config, flat))
    return variants
