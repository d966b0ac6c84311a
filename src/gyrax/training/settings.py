"""Every setting of a run, with its default, its flag and its help: the one home of defaults.

The fields' defaults are the specification's (`--preset document`); a preset is what it changes.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from gyrax._errors import InputError
from gyrax.data.windows import HELD_OUT
from gyrax.dynamics import solver_by_name
from gyrax.losses import default_weights
from gyrax.losses.total import DYNAMICS, ENCODER, our_weights

CHOICES = {
    "phase": ("1", "2", "3", "all"),
    "device": ("auto", "cpu", "cuda"),
    "wm_force": ("direct", "gradient"),
    "schedule": ("constant", "cosine"),
}


def _setting(default: Any, text: str, group: str, flag: str | None = None) -> Any:
    return field(default=default, metadata={"help": text, "group": group, "flag": flag})


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; see the help texts. `weights` has one entry a named loss."""

    # Architecture
    latent_dim: int = _setting(3, "Dimension of the ball", "Architecture")
    num_charts: int = _setting(16, "Number of atlas charts", "Architecture")
    wm_d_model: int = _setting(128, "Attention feature width", "Architecture")
    action_dim: int = _setting(6, "Width of the actions", "Architecture")
    action_history: int = _setting(
        1, "Actions known at a frame: its own, and the last ones before it", "Architecture")  # fmt: skip
    hidden_dim: int = _setting(256, "Encoder hidden width", "Architecture")
    codes_per_chart: int = _setting(64, "VQ codes of each chart", "Architecture")
    curvature: float = _setting(1.0, "c > 0: the ball has curvature -c", "Architecture")
    wm_token_init: float = _setting(0.02, "Standard deviation of initial tokens", "Architecture")
    wm_output_init: float = _setting(
        1.0, "Scale of the initial output heads; small starts near persistence", "Architecture")  # fmt: skip
    wm_gate_charts: bool = _setting(
        True, "Multiply chart tokens by the chart weights", "Architecture",
        "--wm-gate-charts/--wm-no-gate-charts")  # fmt: skip
    wm_orthonormal: bool = _setting(
        False, "Read forces in the orthonormal frame (times the conformal factor)", "Architecture",
        "--wm-orthonormal/--wm-coordinate")  # fmt: skip
    wm_servo: int = _setting(
        0, "Hidden width of the servo force; 0 for none", "Architecture")  # fmt: skip
    wm_memory: int = _setting(
        0, "Width of the servo force's memory over frames; 0 for none", "Architecture")  # fmt: skip
    wm_linear_charts: bool = _setting(
        False, "Chart logits have a term that is linear in z", "Architecture",
        "--wm-linear-charts/--wm-no-linear-charts")  # fmt: skip
    wm_unit_features: bool = _setting(
        False, "Chart logits and jump rate see z times the root of its dimension", "Architecture",
        "--wm-unit-features/--wm-raw-features")  # fmt: skip
    wm_jump_token_init: float = _setting(
        0.02, "Standard deviation of the jump rate's initial chart tokens", "Architecture")  # fmt: skip
    wm_jump_offset: float = _setting(
        0.0, "Initial offset inside the jump rate's softplus", "Architecture")  # fmt: skip

    # Integration
    solver: str = _setting("baoab", "Solver name or splitting word", "Integration")
    wm_dt: float = _setting(0.01, "Integration time step", "Integration")
    wm_substeps: int = _setting(1, "Steps a frame of data", "Integration")
    wm_gamma_friction: float = _setting(1.0, "Langevin friction", "Integration")
    wm_learn_friction: bool = _setting(
        False, "Train the friction", "Integration", "--wm-learn-friction/--wm-fixed-friction")  # fmt: skip
    wm_T_c: float = _setting(0.1, "Thermostat temperature", "Integration")
    wm_learn_temperature: bool = _setting(
        False, "Train the temperature, from --wm-T-c on; needs --w-energy-score", "Integration",
        "--wm-learn-temperature/--wm-fixed-temperature")  # fmt: skip
    wm_alpha_potential: float = _setting(
        0.5, "Share of the analytic drive against the critic", "Integration")  # fmt: skip
    wm_beta_curl: float = _setting(0.1, "Strength of the Boris rotation", "Integration")
    wm_gamma_risk: float = _setting(0.01, "Weight of the risk force", "Integration")
    wm_force: str = _setting("direct", "Force as a head, or as the gradient of Φ", "Integration")
    wm_use_boris: bool = _setting(
        True, "Rotate the momentum by the curl field", "Integration",
        "--wm-use-boris/--wm-no-boris")  # fmt: skip
    wm_use_jump: bool = _setting(
        True, "Poisson jumps between charts", "Integration", "--wm-use-jump/--wm-no-jump")  # fmt: skip
    wm_context: int = _setting(1, "Known frames: 1, or 2 to know the velocity", "Integration")

    # Training
    phase1_epochs: int = _setting(100, "Encoder warmup epochs (0 skips)", "Training")
    phase2_epochs: int = _setting(50, "World-model warmup epochs (0 skips)", "Training")
    phase3_epochs: int = _setting(50, "Joint fine-tuning epochs (0 skips)", "Training")
    lr: float = _setting(1e-3, "Phase 1 encoder learning rate", "Training")
    lr_wm: float = _setting(1e-3, "Phase 2 world-model learning rate", "Training")
    lr_joint_encoder: float = _setting(1e-4, "Phase 3 encoder learning rate", "Training")
    lr_joint_wm: float = _setting(1e-3, "Phase 3 world-model learning rate", "Training")
    batch_size: int = _setting(256, "Batch size", "Training")
    sequence_length: int = _setting(8, "Frames from the start of a rollout to its end", "Training")
    grad_clip: float = _setting(1.0, "Largest gradient norm", "Training")
    schedule: str = _setting("constant", "Learning rate over a phase", "Training")
    weight_decay: float = _setting(
        0.0, "Decoupled weight decay of the world model's matrices", "Training")  # fmt: skip
    encoder_scale: float = _setting(0.1, "Weight of the encoder losses in phase 3", "Training")
    dynamics_scale: float = _setting(1.0, "Weight of the dynamics losses in phase 3", "Training")
    val_fraction: float = _setting(
        HELD_OUT, "Share of episodes to validate on, as many again to test on", "Training")  # fmt: skip
    seed: int = _setting(0, "Random seed", "Training")
    log_every: int = _setting(10, "Epochs between printed lines", "Training")
    save_every: int = _setting(50, "Epochs between checkpoints", "Training")
    weights: dict[str, float] = field(default_factory=default_weights)

    def __post_init__(self) -> None:
        """Reject unusable values, each with its flag."""
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"{flag_of(name)} is {getattr(self, name)}; give a value above 0.")
        for name in NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise InputError(f"{flag_of(name)} is {getattr(self, name)}; give 0 or more.")
        for name, low in {"latent_dim": 2, "num_charts": 2, "codes_per_chart": 2}.items():
            if getattr(self, name) < low:
                raise InputError(f"{flag_of(name)} is {getattr(self, name)}; give {low} or more.")
        for name, options in CHOICES.items():
            if hasattr(self, name) and getattr(self, name) not in options:
                check_choice(name, getattr(self, name))
        if not 0 < self.val_fraction < 0.5:
            raise InputError(f"--val-fraction is {self.val_fraction}; give one between 0 and 0.5.")
        if self.hidden_dim % 8:
            raise InputError(f"--hidden-dim is {self.hidden_dim}; give a multiple of 8.")
        if self.sequence_length < 2:
            raise InputError(f"--sequence-length is {self.sequence_length}; give 2 or more.")
        if self.wm_servo and self.wm_context + self.horizon < 3:
            raise InputError(
                f"--wm-servo {self.wm_servo} is regressed on three frames, but "
                f"--sequence-length {self.sequence_length} with --wm-context {self.wm_context} gives "
                "windows of two; use a longer one."
            )
        if self.wm_memory and not self.wm_servo:
            raise InputError(
                f"--wm-memory {self.wm_memory} is a memory of the servo force, and --wm-servo is 0; give "
                "the servo force a width, or use --wm-memory 0."
            )
        if self.wm_context not in (1, 2):
            raise InputError(f"--wm-context is {self.wm_context}; give 1 or 2.")
        for name, weight in self.weights.items():
            if not weight >= 0:
                raise InputError(f"{weight_flag(name)} is {weight}; give 0 or more.")
        self._check_temperature()
        self._check_solver()

    def _check_temperature(self) -> None:
        scored = self.weights["energy_score"] > 0
        if self.wm_learn_temperature and not scored:
            raise InputError(
                "--wm-learn-temperature without --w-energy-score: no other loss holds a temperature "
                "up; add --w-energy-score 1, or use --wm-fixed-temperature."
            )
        if self.wm_T_c == 0 and (scored or self.wm_learn_temperature):
            raise InputError(
                "--wm-T-c is 0, so all samples are alike and --w-energy-score has nothing to score; "
                "give a temperature above 0 (to start from, with --wm-learn-temperature)."
            )

    def _check_solver(self) -> None:
        solver = solver_by_name(self.solver)
        stages = getattr(solver, "stages", None)
        frictionless = self.wm_gamma_friction == 0 and not self.wm_learn_friction
        if stages and not any(s.letter == "O" for s in stages) and not frictionless:
            raise InputError(
                f"--solver {self.solver} has no thermostat (O) and would leave friction out; "
                "add --wm-gamma-friction 0 --wm-fixed-friction, or use a word with o, as baoab."
            )

    @property
    def action_width(self) -> int:
        """Numbers that the world model is given of an action."""
        return self.action_history * self.action_dim

    @property
    def horizon(self) -> int:
        """Predicted frames of a window: H − 1 of the specification."""
        return self.sequence_length - 1


POSITIVE = (
    "action_history", "curvature", "wm_token_init", "wm_jump_token_init", "wm_output_init",
    "wm_d_model", "action_dim", "hidden_dim", "wm_dt", "wm_substeps", "lr", "lr_wm", "lr_joint_encoder",
    "lr_joint_wm", "batch_size", "grad_clip", "log_every", "save_every",
)  # fmt: skip
NOT_NEGATIVE = (
    "wm_servo", "wm_memory", "wm_gamma_friction", "wm_T_c", "phase1_epochs", "phase2_epochs", "phase3_epochs",
    "encoder_scale", "dynamics_scale", "weight_decay", "seed",
)  # fmt: skip
ARCHITECTURE = tuple(
    f.name for f in dataclasses.fields(TrainConfig) if f.metadata.get("group") == "Architecture"
)

_DEFAULT: dict[str, Any] = {
    "latent_dim": 16,
    "num_charts": 8,
    "codes_per_chart": 32,
    "action_history": 3,
    "wm_context": 2,
    "wm_d_model": 16,
    "wm_servo": 256,
    "wm_memory": 64,
    "wm_dt": 1.0,
    "wm_T_c": 0.0,
    "wm_alpha_potential": 0.0,
    "wm_learn_friction": True,
    "solver": "boa",
    "wm_orthonormal": True,
    "wm_output_init": 0.01,
    "wm_linear_charts": True,
    "wm_unit_features": True,
    "wm_jump_token_init": 10.0,
    "wm_jump_offset": -3.0,
    "schedule": "cosine",
    # Chosen on the validation episodes.
    "lr_wm": 2e-3,
    "weight_decay": 0.5,
    "phase1_epochs": 60,
    "phase2_epochs": 20,
    "weights": our_weights(),
}
PRESETS: dict[str, dict[str, Any]] = {
    "document": {},
    "default": _DEFAULT,
    "quick": _DEFAULT
    | {
        "hidden_dim": 64,
        "wm_servo": 32,
        "wm_memory": 8,
        "latent_dim": 8,
        "num_charts": 4,
        "codes_per_chart": 8,
        "phase1_epochs": 2,
        "phase2_epochs": 2,
        "phase3_epochs": 1,
        "log_every": 1,
    },
}


def check_choice(name: str, value: str) -> None:
    """Raise `InputError` where a flag's value is not one of its choices."""
    if value not in CHOICES[name]:
        raise InputError(f"{flag_of(name)} is {value!r}; give one of {', '.join(CHOICES[name])}.")


def flag_of(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def weight_flag(name: str) -> str:
    """The command-line flag of a loss weight."""
    return flag_of(f"w_{name}")


def loss_terms() -> tuple:
    """Every named loss, encoder's first."""
    return (*ENCODER, *DYNAMICS)


def make_config(
    preset: str, overrides: dict[str, Any], base: TrainConfig | None = None
) -> TrainConfig:
    """A preset (or `base`, a run being resumed) with the given settings and `w_NAME` weights.

    Raises `InputError` for an unknown preset.
    """
    if base is None:
        if preset not in PRESETS:
            raise InputError(f"--preset is {preset!r}; give one of {', '.join(PRESETS)}.")
        base = dataclasses.replace(TrainConfig(), **PRESETS[preset])
    weights = dict(base.weights)
    for name in weights:
        if f"w_{name}" in overrides:
            weights[name] = overrides.pop(f"w_{name}")
    return dataclasses.replace(base, weights=weights, **overrides)


def changes(config: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """What a configuration changes of the specification: setting -> (specified, here)."""
    document, here = (_flattened(c) for c in (TrainConfig(), config))
    return {k: (document[k], here[k]) for k in document if document[k] != here[k]}


def _flattened(config: TrainConfig) -> dict[str, Any]:
    settings = dataclasses.asdict(config)
    return settings | {f"w_{name}": value for name, value in settings.pop("weights").items()}


def to_json(config: TrainConfig) -> str:
    """A configuration as JSON text."""
    return json.dumps(dataclasses.asdict(config), indent=1)


def from_json(text: str, source: str) -> TrainConfig:
    """A configuration from [`to_json`][]. `InputError` naming `source` where it does not fit."""
    try:
        values = json.loads(text)
        known = get_type_hints(TrainConfig)
        if not isinstance(values, dict) or not set(values) <= set(known):
            raise ValueError("it has settings that this version of gyrax does not know")
        weights = default_weights()
        if not set(values.get("weights", {})) <= set(weights):
            raise ValueError("it has loss weights that this version of gyrax does not know")
        return TrainConfig(**values | {"weights": weights | values.get("weights", {})})
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{source}: not a configuration of gyrax ({error}); the checkpoint is damaged or of "
            "another version: train again."
        ) from None
