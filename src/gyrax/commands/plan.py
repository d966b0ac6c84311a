"""`gyrax plan`: act on a world model's forecasts in closed loop, beside what one would use instead."""

import json
from dataclasses import MISSING, dataclass
from pathlib import Path

from rich.console import Console

from gyrax.commands.flags import DATA, DEVICE, REPEAT, json_object, with_options
from gyrax.data.frames import load_all_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.planning.settings import OBJECTIVES, PLANNERS, PlanSettings
from gyrax.runtime.console import print_lines
from gyrax.runtime.device import prepare_device
from gyrax.runtime.options import option
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.trainer import Trained

DEFAULTS = PlanSettings()


@dataclass(frozen=True)
class PlanOptions:
    """What is planned for, how, against whom, and what is told of it."""

    checkpoint: Path = option(MISSING, "Run folder or checkpoint.")
    env: str = option("gyrax/ArmPush-v0", "Id of a Gymnasium environment.")
    env_args: str = option("{}", "Arguments of the environment, as JSON.")
    action_repeat: int = option(1, REPEAT, least=1, most=10_000)
    data: list[Path] | None = option(None, DATA)
    planner: str = option(DEFAULTS.planner, f"One of {', '.join(PLANNERS)}.")
    objective: str = option(DEFAULTS.objective, f"One of {', '.join(OBJECTIVES)}.")
    goal: str | None = option(
        None, "Patterns of the columns that are to be as in the goal, e.g. 'cube_pose.*'."
    )
    push: str | None = option(
        None, "EFFECTOR:BODIES:DISTANCE: bodies are pushed from behind; columns by patterns."
    )
    tolerance: float | None = option(
        None, "Success within so many standard deviations, not by the environment's test.", above=0
    )
    goal_frames: int = option(
        60, "Frames from start to goal, where goals are recorded.", least=1, most=10**6
    )
    frames: int | None = option(
        None, "Frames to reach it. [default: twice --goal-frames]", least=1, most=10**6
    )
    episodes: int = option(40, "Pairs of start and goal.", least=1, most=100_000)
    samples: int = option(
        DEFAULTS.samples, "Plans that are tried in an iteration.", least=1, most=10**6
    )
    iterations: int = option(DEFAULTS.iterations, "Iterations of a search.", least=1, most=10_000)
    plan_horizon: int | None = option(
        None,
        "Frames of a plan. [default: 20, or 8 where actions are no targets of positions]",
        least=1,
        most=10_000,
    )
    knots: int = option(
        DEFAULTS.knots, "Numbers an actuator that describe a plan.", least=1, most=10_000
    )
    replan_every: int | None = option(
        None,
        "Frames from plan to plan. [default: 5, or 2 where actions are no targets of positions]",
        least=1,
    )
    along: float = option(
        DEFAULTS.along, "Weight of the mean over the plan, beside its end.", least=0
    )
    support: float = option(
        DEFAULTS.support, "Weight of actions that are unlike the data.", least=0
    )
    approach: float = option(
        DEFAULTS.approach, "Weight of the way to the place behind the body.", least=0
    )
    against: str = option("all", "all, none, or a comma-separated list of rows.")
    oracle_episodes: int = option(
        20, "Pairs on which the simulator itself is planned with.", least=1, most=100_000
    )
    seed: int = option(1, "Seed of starts and goals, and of the planner.", least=0)
    json: bool = option(False, "Print JSON instead of a table.", "--json")
    video: Path | None = option(None, "Folder for films of successes and failures.")
    device: str = option("auto", DEVICE)

    def settings(self, relative: bool) -> PlanSettings:
        """How plans are sought, where actions are targets of positions or not."""
        return PlanSettings.suited(
            relative,
            planner=self.planner,
            objective=self.objective,
            samples=self.samples,
            iterations=self.iterations,
            horizon=self.plan_horizon,
            knots=self.knots,
            replan_every=self.replan_every,
            along=self.along,
            support=self.support,
            approach=self.approach,
        )


@with_options(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Plan in closed loop with a world model, beside what one would use instead."""
    from gyrax.evaluation.cache import Cache
    from gyrax.evaluation.control.compare import chosen_rows, compare, simulators
    from gyrax.evaluation.control.contenders import Contenders
    from gyrax.evaluation.control.pairs import make_pairs
    from gyrax.evaluation.encoded import Encoded
    from gyrax.planning.assignment import assign
    from gyrax.report.control import write_control
    from gyrax.report.control_cases import film_files
    from gyrax.report.control_tables import control_tables

    against = chosen_rows(options.against)
    arguments = json_object(options.env_args, "--env-args")
    if options.video is not None:
        film_files(options.video)  # before hours of planning
    checkpoint = open_checkpoint(options.checkpoint)
    prepare_device(options.device)
    console, messages = Console(), Console(stderr=options.json)
    bridges = simulators(options.env, arguments, options.action_repeat, options.episodes)
    settings = options.settings(bridges[0].position_target)
    assignment = assign(
        bridges[0], checkpoint, goal=options.goal, tolerance=options.tolerance, push=options.push
    )
    frames = load_all_frames(options.data or [DEFAULT_FOLDER])
    trained = Trained.of(checkpoint)
    dataset = Dataset.of(frames, trained.settings, trained.normaliser)
    print_lines(dataset.remarks("train"), messages)
    cache = Cache(trained.path.parent, Encoded.of(trained, dataset), messages)
    contenders = Contenders(
        checkpoint, assignment, settings, cache, options.goal_frames, options.seed
    )
    pairs, left = make_pairs(
        bridges[0],
        bridges[0].scripted(),
        assignment.judge,
        count=options.episodes,
        seed=options.seed,
        ahead=options.goal_frames,
        seen=frames.features,
    )
    found = compare(
        contenders,
        bridges,
        pairs,
        left,
        against=against,
        budget=options.frames or 2 * options.goal_frames,
        oracle_pairs=options.oracle_episodes,
        console=messages,
    )
    told = write_control(found, bridges[0], arguments, contenders, options.video, messages)
    if options.json:
        print(json.dumps(told.report, indent=1))
    else:
        for table in control_tables(told.report):
            console.print(table)
    messages.print(f"report: {told.page}", soft_wrap=True, highlight=False)
