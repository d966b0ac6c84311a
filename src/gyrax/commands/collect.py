"""`gyrax collect`: episodes of any Gymnasium environment under a policy, as a LeRobot folder."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gyrax._errors import InputError
from gyrax.commands.flags import REPEAT, json_object, with_options
from gyrax.runtime.console import make_progress, print_lines
from gyrax.runtime.options import check_choice, option

if TYPE_CHECKING:
    from gyrax.envs.bridge import Bridge
    from gyrax.envs.policies import Policy

POLICIES = ("random", "scripted", "planner")
CANDIDATES = 8
"""Random motions that are tried before each one that is made: data in which nothing moves teaches little."""


@dataclass(frozen=True)
class CollectOptions:
    """Which environment is recorded, what acts in it, and how much of it."""

    env: str = option(MISSING, "Id of a Gymnasium environment, such as gyrax/ArmPush-v0.")
    out: Path = option(MISSING, "Folder to write.")
    episodes: int = option(100, "Number of episodes.", least=1, most=10**6)
    seed: int = option(0, "Random seed.", least=0)
    frames: int | None = option(
        None,
        "Frames of an episode. [default: the policy's, or the environment's time limit]",
        most=10**6,
    )
    env_args: str = option("{}", "Arguments of the environment as JSON, such as '{\"cubes\": 2}'.")
    action_repeat: int = option(1, REPEAT, least=1, most=10_000)
    policy: str = option(
        "random",
        "random: smooth exploration. scripted: the environment's own policy. planner: plans of a world model "
        "towards frames of its data.",
    )
    checkpoint: Path | None = option(None, "Run folder or checkpoint that the planner plans with.")
    data: list[Path] | None = option(
        None,
        "What the planner's goals are drawn from: data of the checkpoint's kind. [default: its own]",
    )
    video: bool = option(False, "Record what the environment renders, too.", "--video")

    def __post_init__(self) -> None:
        """Reject unusable values, each with its flag."""
        from gyrax.envs.collect import SHORTEST

        if self.frames is not None and self.frames < SHORTEST:
            raise InputError(f"--frames is {self.frames}; give {SHORTEST} or more.")
        check_choice("--policy", self.policy, POLICIES)
        if (self.policy == "planner") != (self.checkpoint is not None):
            raise InputError(
                "--policy planner and --checkpoint RUN go together; give both or neither."
            )
        self.arguments()

    def arguments(self) -> dict[str, Any]:
        """What `--env-args` holds. Raises `InputError` for anything but a JSON object."""
        return json_object(self.env_args, "--env-args")


@with_options(CollectOptions)
def collect(options: CollectOptions) -> None:
    """Act in a Gymnasium environment and write what happens as a LeRobotDataset v3.0 folder."""
    from gyrax.envs.bridge import Bridge
    from gyrax.envs.collect import SHORTEST
    from gyrax.envs.collect import collect as record_folder

    bridge = Bridge.make(options.env, options.arguments(), options.action_repeat)
    policy = _policy(options, bridge)
    with make_progress(Console(stderr=True)) as progress:
        task = progress.add_task("collecting", total=options.episodes, note="episodes")
        anew = record_folder(
            options.out,
            bridge,
            policy,
            episodes=options.episodes,
            seed=options.seed,
            frames=options.frames,
            video=options.video,
            progress=lambda done: progress.update(task, completed=done),
        )
    early = f"episodes started anew because they ended before frame {SHORTEST}: {anew}"
    lines = [
        f"{options.episodes} episodes of {bridge.id}: {len(bridge.columns)} observed numbers, "
        f"{len(bridge.low)} of an action, {bridge.fps:g} frames a second",
        *([early] if anew else []),
        f"data folder: {options.out}",
    ]
    print_lines(lines, Console())


def _policy(options: CollectOptions, bridge: "Bridge") -> "Policy":
    from gyrax.envs.policies import RandomPolicy

    if options.checkpoint is not None:
        from gyrax.data.frames import load_all_frames
        from gyrax.planning.seeking import GoalSeeker
        from gyrax.training.checkpoint import open_checkpoint

        checkpoint = open_checkpoint(options.checkpoint)
        frames = load_all_frames(options.data or [Path(checkpoint.meta.source)])
        return GoalSeeker(checkpoint, bridge, frames.features)
    chosen = RandomPolicy(CANDIDATES) if options.policy == "random" else bridge.scripted()
    if chosen is None:
        raise InputError(
            f"--policy scripted: {bridge.id} has no policy of its own; use --policy random."
        )
    return chosen
