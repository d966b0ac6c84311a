"""The settings by owner: each one's type, flag, help and bounds.

Values stand in the presets alone (`presets/*.toml`, each complete), so that no default is written twice.
"""

from dataclasses import dataclass, field
from typing import Any


def setting(
    flag: str,
    text: str,
    *,
    above: float | int | None = None,
    least: float | int | None = None,
    most: float | int | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field with its flag, help text, and which values it takes."""
    metadata = dict(flag=flag, help=text, above=above, least=least, most=most, choices=choices)
    return field(metadata=metadata)


@dataclass(frozen=True)
class DataSettings:
    """What of a data set a run sees."""

    action_dim: int = setting("--action-dim", "Width of the actions", above=0, most=10_000)
    action_history: int = setting(
        "--action-history",
        "Actions known at a frame: its own, and the last ones before it",
        above=0,
        most=1000,
    )
    val_fraction: float = setting(
        "--val-fraction", "Share of episodes to validate on, as many again to test on", above=0
    )

    @property
    def action_width(self) -> int:
        """Numbers that the world model is given of an action."""
        return self.action_history * self.action_dim


@dataclass(frozen=True)
class EncoderSettings:
    """The latent space: the ball, its atlas, and the networks into and out of it."""

    latent_dim: int = setting("--latent-dim", "Dimension of the ball", least=2, most=10_000)
    num_charts: int = setting("--num-charts", "Number of atlas charts", least=2, most=10_000)
    hidden_dim: int = setting("--hidden-dim", "Encoder hidden width", above=0, most=100_000)
    codes_per_chart: int = setting(
        "--codes-per-chart", "VQ codes of each chart", least=2, most=100_000
    )
    linear: bool = setting(
        "--encoder-linear/--encoder-no-linear",
        "A linear path through the latent, started from principal components",
    )
    waves: int = setting(
        "--encoder-waves",
        "Random waves of the features that a network beside the linear path sees; 0 for none",
        least=0,
        most=100_000,
    )
    whole: bool = setting(
        "--latent-whole/--latent-quantised",
        "The latent is the encoder's point itself, or what code and nuisance keep of it",
    )
    plain_decoder: bool = setting(
        "--decoder-plain/--decoder-spectral",
        "The decoder is an ordinary network, or spectral maps of each chart",
    )
    curvature: float = setting(
        "--curvature", "c > 0: the ball has curvature -c", least=1e-20, most=100
    )


@dataclass(frozen=True)
class WorldModelSettings:
    """The learned fields: their sizes, and how they start."""

    d_model: int = setting("--wm-d-model", "Attention feature width", above=0, most=100_000)
    token_init: float = setting("--wm-token-init", "Standard deviation of initial tokens", above=0)
    output_init: float = setting(
        "--wm-output-init",
        "Scale of the initial output heads; small starts near persistence",
        above=0,
    )
    gate_charts: bool = setting(
        "--wm-gate-charts/--wm-no-gate-charts", "Multiply chart tokens by the chart weights"
    )
    orthonormal: bool = setting(
        "--wm-orthonormal/--wm-coordinate",
        "Read forces in the orthonormal frame (times the conformal factor)",
    )
    servo: int = setting(
        "--wm-servo", "Hidden width of the servo force; 0 for none", least=0, most=100_000
    )
    memory: int = setting(
        "--wm-memory",
        "Width of the servo force's memory over frames; 0 for none",
        least=0,
        most=100_000,
    )
    linear_charts: bool = setting(
        "--wm-linear-charts/--wm-no-linear-charts",
        "Chart logits start at the decoder's router and have a term linear in z",
    )
    unit_features: bool = setting(
        "--wm-unit-features/--wm-raw-features",
        "Chart logits and jump rate see z times the root of its dimension",
    )
    jump_token_init: float = setting(
        "--wm-jump-token-init",
        "Standard deviation of the jump rate's initial chart tokens",
        above=0,
    )
    jump_offset: float = setting(
        "--wm-jump-offset", "Initial offset inside the jump rate's softplus"
    )


@dataclass(frozen=True)
class IntegrationSettings:
    """The equation of motion and how it is solved."""

    solver: str = setting("--solver", "Solver name or splitting word")
    dt: float = setting("--wm-dt", "Integration time step", least=1e-6, most=1000)
    substeps: int = setting("--wm-substeps", "Steps a frame of data", above=0, most=10_000)
    friction: float = setting("--wm-gamma-friction", "Langevin friction", least=0)
    learn_friction: bool = setting("--wm-learn-friction/--wm-fixed-friction", "Train the friction")
    temperature: float = setting("--wm-T-c", "Thermostat temperature", least=0)
    learn_temperature: bool = setting(
        "--wm-learn-temperature/--wm-fixed-temperature",
        "Train the temperature, from --wm-T-c on; needs --w-energy-score",
    )
    alpha: float = setting("--wm-alpha-potential", "Share of the analytic drive against the critic")
    beta: float = setting("--wm-beta-curl", "Strength of the Boris rotation")
    gamma_risk: float = setting("--wm-gamma-risk", "Weight of the risk force")
    force: str = setting(
        "--wm-force", "Force as a head, or as the gradient of Φ", choices=("direct", "gradient")
    )
    use_potential: bool = setting(
        "--wm-use-potential/--wm-no-potential", "The potential's force acts"
    )
    use_control: bool = setting("--wm-use-control/--wm-no-control", "The control's force acts")
    use_boris: bool = setting(
        "--wm-use-boris/--wm-no-boris", "Rotate the momentum by the curl field"
    )
    use_jump: bool = setting("--wm-use-jump/--wm-no-jump", "Poisson jumps between charts")
    context: int = setting("--wm-context", "Known frames: 1, or 2 to know the velocity")

    @property
    def frame_time(self) -> float:
        """Model time of one frame of data."""
        return self.dt * self.substeps


@dataclass(frozen=True)
class EncoderPhase:
    """Phase 1."""

    epochs: int = setting("--phase1-epochs", "Encoder warmup epochs (0 skips)", least=0, most=10**6)
    lr: float = setting("--lr", "Phase 1 encoder learning rate", above=0)


@dataclass(frozen=True)
class WorldModelPhase:
    """Phase 2."""

    epochs: int = setting(
        "--phase2-epochs", "World-model warmup epochs (0 skips)", least=0, most=10**6
    )
    lr: float = setting("--lr-wm", "Phase 2 world-model learning rate", above=0)


@dataclass(frozen=True)
class JointPhase:
    """Phase 3."""

    epochs: int = setting(
        "--phase3-epochs", "Joint fine-tuning epochs (0 skips)", least=0, most=10**6
    )
    lr_encoder: float = setting("--lr-joint-encoder", "Phase 3 encoder learning rate", above=0)
    lr_world_model: float = setting("--lr-joint-wm", "Phase 3 world-model learning rate", above=0)
    encoder_scale: float = setting(
        "--encoder-scale", "Weight of the encoder losses in phase 3", least=0
    )
    dynamics_scale: float = setting(
        "--dynamics-scale", "Weight of the dynamics losses in phase 3", least=0
    )


@dataclass(frozen=True)
class RunSettings:
    """What belongs to a run as a whole."""

    seed: int = setting("--seed", "Random seed", least=0)
    log_every: int = setting("--log-every", "Epochs between printed lines", above=0)
    save_every: int = setting("--save-every", "Epochs between checkpoints", above=0)
    save_every_minutes: float = setting(
        "--save-every-minutes",
        "Minutes after which a checkpoint is saved anyway",
        above=0,
        most=1e6,
    )
    block_mb: float = setting(
        "--block-mb", "Megabytes of packed features that are in memory at a time", above=0, most=1e6
    )


@dataclass(frozen=True)
class TrainingSettings:
    """How parameters are updated, and for how long."""

    phase1: EncoderPhase
    phase2: WorldModelPhase
    phase3: JointPhase
    run: RunSettings
    batch_size: int = setting("--batch-size", "Batch size", above=0, most=10**6)
    sequence_length: int = setting(
        "--sequence-length", "Frames from the start of a rollout to its end", least=2, most=100_000
    )
    grad_clip: float = setting("--grad-clip", "Largest gradient norm", above=0)
    schedule: str = setting(
        "--schedule", "Learning rate over a phase", choices=("constant", "cosine")
    )
    weight_decay: float = setting(
        "--weight-decay", "Decoupled weight decay of the world model's matrices", least=0
    )

    @property
    def horizon(self) -> int:
        """Predicted frames of a window: H − 1 of the document."""
        return self.sequence_length - 1
