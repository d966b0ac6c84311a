"""How to plan, as numbers and names that are checked once."""

from dataclasses import dataclass
from typing import Any

from gyrax._errors import InputError
from gyrax.runtime.options import check_choice, check_number

PLANNERS = ("cem", "icem", "mppi", "gradient")
OBJECTIVES = ("features", "latent", "reach", "reward")


@dataclass(frozen=True)
class PlanSettings:
    """How plans are sought, and for what.

    **Fields:** `planner` and `objective`, names; `samples` plans in each of `iterations`; `horizon` frames
    of a plan, described by `knots`; a new plan every `replan_every` frames; `along`, the weight of the mean
    over the plan beside its end; `support`, of actions that are unlike the data; `approach`, of the way to
    the place behind the object.
    """

    planner: str = "cem"
    objective: str = "features"
    samples: int = 64
    iterations: int = 3
    horizon: int = 20
    knots: int = 4
    replan_every: int = 5
    along: float = 1.0
    support: float = 0.1
    approach: float = 1.0

    @classmethod
    def suited(cls, relative: bool, **given: Any) -> "PlanSettings":
        """The defaults for actions that are targets of positions, or for others, which act at once: a plan of
        8 frames made anew every 2. What is `given` and not None stands."""
        chosen: dict[str, Any] = {} if relative else {"horizon": 8, "replan_every": 2}
        return cls(**chosen | {name: value for name, value in given.items() if value is not None})

    def __post_init__(self) -> None:
        """Reject what cannot be planned with, each with its flag."""
        for flag, value, known in (
            ("--planner", self.planner, PLANNERS),
            ("--objective", self.objective, OBJECTIVES),
        ):
            check_choice(flag, value, known)
        for flag, value, low in (
            ("--samples", self.samples, 1),
            ("--iterations", self.iterations, 1),
            ("--plan-horizon", self.horizon, 1),
            ("--knots", self.knots, 1),
            ("--replan-every", self.replan_every, 1),
            ("--along", self.along, 0),
            ("--support", self.support, 0),
            ("--approach", self.approach, 0),
        ):
            check_number(flag, value, least=low)
        if self.knots > self.horizon or self.replan_every > self.horizon:
            raise InputError(
                f"--plan-horizon is {self.horizon}; give at least --knots {self.knots} and "
                f"--replan-every {self.replan_every}."
            )
