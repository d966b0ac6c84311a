"""A checkpoint, a task and settings into all that plans are made with."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gyrax._errors import InputError
from gyrax.atlas import Encoder
from gyrax.planning.actions import ActionSpace
from gyrax.planning.cem import CEM
from gyrax.planning.controller import Controller, Planning, Stop
from gyrax.planning.gradient import Gradient
from gyrax.planning.imagination import AbstractImagination, ForecastImagination, Scale
from gyrax.planning.mppi import MPPI
from gyrax.planning.objective import (
    AbstractTerm,
    Approach,
    FeatureDistance,
    LatentDistance,
    Objective,
    Reward,
    Unusual,
)
from gyrax.planning.planner import AbstractPlanner
from gyrax.planning.robot import Robot
from gyrax.planning.settings import PlanSettings
from gyrax.training.checkpoint import Checkpoint


class Push(NamedTuple):
    """How bodies are brought to their goals: the `effector` goes behind them, seen from there, at the
    distance `behind` from their centres. All are columns of positions, x y z in one unit, or x y."""

    effector: tuple[int, ...]
    bodies: tuple[tuple[int, ...], ...]
    behind: float

    @classmethod
    def parse(cls, text: str, robot: Robot, flag: str) -> "Push":
        """Read `EFFECTOR:BODIES:DISTANCE`, the first two being patterns of columns. Bodies have as many
        columns each as the effector. Raises `InputError`, which names `flag`, where it is another thing."""
        parts = text.split(":")
        try:
            effector, bodies = (robot.matching(part, flag) for part in parts[:2])
            behind = float(parts[2])
        except (IndexError, ValueError):
            behind = 0.0
            effector, bodies = (), ()
        width = len(effector)
        if len(parts) != 3 or width not in (2, 3) or len(bodies) % width or not 0 < behind < np.inf:
            raise InputError(
                f"{flag} is {text!r}; give EFFECTOR:BODIES:DISTANCE, such as "
                "'gripper_pose.[xyz]:cube_pose.[xyz]:0.045', with two or three columns for each position."
            )
        grouped = tuple(bodies[i : i + width] for i in range(0, len(bodies), width))
        return cls(effector, grouped, behind)


@dataclass(frozen=True)
class Task:
    """What is to be done, beside the goal of each episode.

    **Fields:** `columns`, the features that are to be as in the goal, measured in units of `scale`;
    `near`, the distance in them below which the robot may stop, or None where it must not; `push`, how
    the goal is reached by pushing, or None; `reward` of what is achieved and desired, both `(M, G)`, or None
    where the environment has none of that kind.
    """

    columns: tuple[int, ...]
    scale: Float[np.ndarray, " G"]
    near: float | None = None
    push: Push | None = None
    reward: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None

    def far(self, features: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """How far features `(*batch, F)` are from a goal's, on the host."""
        away = (np.asarray(features) - goal)[..., list(self.columns)] / self.scale
        return np.asarray(np.sqrt(np.mean(away**2, axis=-1)))

    @property
    def distance(self) -> FeatureDistance:
        """How far features are from a goal's."""
        return FeatureDistance(self.columns, jnp.asarray(self.scale, jnp.float32))


class Encoded(eqx.Module):
    """Point and chart weights, of all that an encoder makes of features."""

    encoder: Encoder

    def __call__(self, x: Float[Array, " kept"]) -> tuple[Float[Array, " D"], Float[Array, " K"]]:
        """Of standardised features."""
        encoding = self.encoder(x)
        return encoding.z, encoding.chart_weights


class Decoded(eqx.Module):
    """Features, of all that a decoder makes of a point."""

    decoder: Callable[[Float[Array, " D"]], tuple[Float[Array, " kept"], Any]]

    def __call__(self, z: Float[Array, " D"]) -> Float[Array, " kept"]:
        """Standardised, of one point."""
        return self.decoder(z)[0]


def imagination_of(checkpoint: Checkpoint) -> ForecastImagination:
    """What a checkpoint's own world model foresees."""
    system = checkpoint.system()
    scale = Scale.of(checkpoint.normaliser, checkpoint.support)
    return ForecastImagination(system, Encoded(system.encoder), Decoded(system.decoder), scale)


def make_objective(settings: PlanSettings, task: Task, checkpoint: Checkpoint) -> Objective:
    """The sum of what is wanted, how it is approached and how usual it is.

    Raises `InputError` where the environment has no reward of the needed kind, or distances of the
    checkpoint's latents tell no time.
    """
    weighted: list[tuple[AbstractTerm, float]] = []
    c, along = checkpoint.meta.settings.encoder.curvature, settings.along
    if settings.objective == "latent":
        weighted.append((LatentDistance(c, along), 1.0))
    elif settings.objective == "reach":
        time = checkpoint.system().time_to_go
        if time is None:
            raise InputError(
                f"--objective is reach, but {checkpoint.path} was trained without --w-reach, so that its "
                "distances tell no time; train with --w-reach 1 --encoder-waves 128, or give another one."
            )
        # A cost of one is the length of a plan.
        unit = settings.horizon * float(jnp.exp(-time.log_frames))
        weighted.append((LatentDistance(c, along, unit), 1.0))
    elif settings.objective == "features":
        weighted.append((replace(task.distance, along=along), 1.0))
    elif task.reward is None:
        raise InputError(
            "--objective is reward, but the environment's reward is not a function of an achieved and a "
            "desired goal; give --objective features or latent."
        )
    else:
        weighted.append((Reward(task.reward, task.columns, along), 1.0))
    if task.push is not None and settings.approach:
        unit = jnp.asarray(np.mean(task.scale), jnp.float32)
        weighted.append((Approach(*task.push, task.push.behind / 3, unit), settings.approach))
    if settings.support:
        support = jax.tree.map(jnp.asarray, checkpoint.support)
        weighted.append((Unusual(support), settings.support))
    terms, weights = zip(*weighted, strict=True)
    return Objective(terms, weights)


def make_planner(settings: PlanSettings) -> AbstractPlanner:
    """The planner that is named."""
    samples, iterations = settings.samples, settings.iterations
    elites = max(samples // 8, 2)
    if settings.planner == "mppi":
        return MPPI(samples, iterations)
    if settings.planner == "gradient":
        return Gradient(samples, iterations)
    if settings.planner == "icem":
        return CEM(samples, iterations, elites, kept=3, exponent=1.0)
    return CEM(samples, iterations, elites)


def make_controller(
    imagination: AbstractImagination,
    checkpoint: Checkpoint,
    robot: Robot,
    task: Task,
    settings: PlanSettings,
    seed: int = 0,
) -> Controller:
    """Plans by an imagination in closed loop, with as much memory as the checkpoint's model reads, and what
    its data shows as support. Raises `InputError` where settings do not fit data or task."""
    support, trained = checkpoint.support, checkpoint.meta.settings
    snippets = np.asarray(support.snippets)
    space = ActionSpace.of(
        robot.low,
        robot.high,
        snippets,
        horizon=settings.horizon,
        knots=settings.knots,
        relative=robot.relative,
        rate=robot.rate,
    )
    pool = space.knots_of(jnp.asarray(snippets[:, 1:]), jnp.asarray(snippets[:, 0]))
    objective = make_objective(settings, task, checkpoint)
    return Controller(
        Planning(imagination, space, objective, make_planner(settings), pool),
        context=trained.integration.context,
        past=trained.data.action_history,
        every=settings.replan_every,
        stop=None if task.near is None else Stop(task.distance, task.near),
        seed=seed,
    )
