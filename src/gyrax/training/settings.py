"""All settings of a run together, and which of them cannot be used."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, get_type_hints

from gyrax._errors import InputError
from gyrax.dynamics import letters, solver_by_name
from gyrax.losses.total import TERMS
from gyrax.runtime.options import check_choice, check_number
from gyrax.training.sections import (
    DataSettings,
    EncoderSettings,
    IntegrationSettings,
    TrainingSettings,
    WorldModelSettings,
)

WEIGHTS = "weights"


@dataclass(frozen=True)
class Settings:
    """All settings of a run. `weights` has one entry a named loss.

    Raises `InputError` for a value that cannot be used, with its flag.
    """

    data: DataSettings
    encoder: EncoderSettings
    world_model: WorldModelSettings
    integration: IntegrationSettings
    training: TrainingSettings
    weights: dict[str, float]

    def __post_init__(self) -> None:
        """Reject values that cannot be used."""
        for leaf in LEAVES.values():
            _check_value(leaf, leaf.of(self))
        _check_together(self)
        _check_sizes(self)


class Leaf(NamedTuple):
    """One setting: where it stands, its type, and what its field says of it."""

    path: tuple[str, ...]
    type: type
    flag: str
    help: str
    above: float | int | None = None
    least: float | int | None = None
    most: float | int | None = None
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The flag that turns it on, or sets it: what a message says."""
        return self.flag.split("/")[0]

    @property
    def key(self) -> str:
        """The flag as a Python name."""
        return self.name[2:].replace("-", "_")

    def of(self, settings: Settings) -> Any:
        """The value in `settings`."""
        found: Any = settings
        for name in self.path:
            found = found[name] if isinstance(found, dict) else getattr(found, name)
        return found


def _leaves(owner: type, path: tuple[str, ...]) -> Iterator[Leaf]:
    """Every setting of a dataclass and of those in it, by the order of their flags in the help."""
    types, nested = get_type_hints(owner), []
    for each in dataclasses.fields(owner):
        kind, here = types[each.name], (*path, each.name)
        if dataclasses.is_dataclass(kind):
            nested.append((kind, here))
        elif each.name != WEIGHTS:
            yield Leaf(here, kind, **each.metadata)
    for kind, here in nested:
        yield from _leaves(kind, here)  # pyright: ignore[reportArgumentType]


def _weight_leaves() -> Iterator[Leaf]:
    for term in TERMS:
        flag = f"--w-{term.name.replace('_', '-')}"
        yield Leaf((WEIGHTS, term.name), float, flag, term.purpose, least=0)


LEAVES = {leaf.key: leaf for leaf in (*_leaves(Settings, ()), *_weight_leaves())}
"""Every setting by its flag's name, such as `wm_d_model` or `w_recon`."""


def _check_value(leaf: Leaf, value: Any) -> None:
    if leaf.choices:
        check_choice(leaf.name, value, leaf.choices)
    check_number(leaf.name, value, above=leaf.above, least=leaf.least, most=leaf.most)


NUMBERS = 2**30
"""The most numbers of one array: 4 GiB in float32."""


def _check_sizes(settings: Settings) -> None:
    """Refuse sizes whose product would not fit in memory: of an array that a step makes, or a parameter."""
    named = lambda *keys: {LEAVES[key].name: LEAVES[key].of(settings) for key in keys}
    for sizes in (
        named("batch_size", "num_charts", "codes_per_chart", "latent_dim"),
        named("batch_size", "num_charts", "latent_dim")
        | {"--num-charts again": settings.encoder.num_charts},
        named("num_charts", "latent_dim") | {"--latent-dim again": settings.encoder.latent_dim},
        named("wm_d_model", "latent_dim") | {"--latent-dim again": settings.encoder.latent_dim},
        named("hidden_dim", "num_charts") | {"--hidden-dim again": settings.encoder.hidden_dim},
        named("hidden_dim", "encoder_waves"),
        named("wm_servo") | {"--wm-servo again": settings.world_model.servo},
        named("wm_memory") | {"--wm-memory again": settings.world_model.memory},
        named("batch_size", "sequence_length", "wm_d_model"),
        named("batch_size", "sequence_length", "hidden_dim"),
        named("batch_size", "sequence_length", "action_history", "action_dim"),
    ):
        if math.prod(sizes.values()) > NUMBERS:
            raise InputError(
                f"{' times '.join(f'{name} {size}' for name, size in sizes.items())} is more than the "
                f"{NUMBERS} numbers that an array may have; lower one."
            )


def _check_together(settings: Settings) -> None:
    """What no bound of a single setting says."""
    data, encoder, training = settings.data, settings.encoder, settings.training
    model, motion, weights = settings.world_model, settings.integration, settings.weights
    if data.val_fraction >= 0.5:
        raise InputError(f"--val-fraction is {data.val_fraction}; give one between 0 and 0.5.")
    if encoder.hidden_dim % 8:
        raise InputError(f"--hidden-dim is {encoder.hidden_dim}; give a multiple of 8.")
    if motion.context not in (1, 2):
        raise InputError(f"--wm-context is {motion.context}; give 1 or 2.")
    if model.servo and motion.context + training.horizon < 3:
        raise InputError(
            f"--wm-servo {model.servo} is regressed on three frames, but --sequence-length "
            f"{training.sequence_length} with --wm-context {motion.context} gives windows of two; use "
            "a longer one."
        )
    if model.memory and not model.servo:
        raise InputError(
            f"--wm-memory {model.memory} is a memory of the servo force, and --wm-servo is 0; give the "
            "servo force a width, or use --wm-memory 0."
        )
    scored = weights["energy_score"] > 0
    if motion.learn_temperature and not scored:
        raise InputError(
            "--wm-learn-temperature without --w-energy-score: no other loss holds a temperature up; add "
            "--w-energy-score 1, or use --wm-fixed-temperature."
        )
    if motion.temperature == 0 and (scored or motion.learn_temperature):
        raise InputError(
            "--wm-T-c is 0, so all samples are alike and --w-energy-score has nothing to score; give a "
            "temperature above 0 (to start from, with --wm-learn-temperature)."
        )
    frictionless = motion.friction == 0 and not motion.learn_friction
    if "O" not in letters(solver_by_name(motion.solver)) and not frictionless:
        raise InputError(
            f"--solver {motion.solver} has no thermostat (O) and would leave friction out; add "
            "--wm-gamma-friction 0 --wm-fixed-friction, or use a word with o, as baoab."
        )
