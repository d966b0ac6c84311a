"""What a planner may ask of the actuators: bounds, rates, and the knots by which it describes a plan."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from gyrax._errors import InputError


class ActionSpace(eqx.Module):
    """Plans of `horizon` frames as `knots` numbers an actuator, each of size one where the data's is.

    Where actions are targets of positions (`relative`), a knot is the change of the target since the knot
    before, and the plan a cubic spline that leaves the present target with its present speed and comes to
    rest. Elsewhere a knot is the action itself, and the plan linear in between. Plans keep to the bounds
    `low` and `high` and, per frame, to `rate`.

    **Fields:** `mean` and `scale` of the knots in the data, in the units of the actions; `basis`, of a
    knot's part in each frame; `start`, of the present speed's part, in frames.
    """

    low: Float[Array, " A"]
    high: Float[Array, " A"]
    rate: Float[Array, " A"] | None
    mean: Float[Array, " A"]
    scale: Float[Array, " A"]
    basis: Float[Array, "H K"]
    start: Float[Array, " H"]
    relative: bool = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        low: np.ndarray,
        high: np.ndarray,
        snippets: Float[np.ndarray, "S length A"],
        *,
        horizon: int,
        knots: int,
        relative: bool,
        rate: np.ndarray | None = None,
    ) -> "ActionSpace":
        """With the scales of recorded `snippets` of actions, of which each first entry is the action before.

        Raises `InputError` where the snippets are shorter than the plan or there are more knots than frames.
        """
        if not 1 <= knots <= horizon:
            raise InputError(
                f"{knots} knots do not fit a plan of {horizon} frames; give 1 to {horizon}."
            )
        if snippets.shape[1] <= horizon:
            raise InputError(
                f"a plan of {horizon} frames is longer than the recorded ones, which have "
                f"{snippets.shape[1] - 1}; give --plan-horizon {snippets.shape[1] - 1} or less."
            )
        make = _spline if relative else _linear
        basis, start = make(horizon, knots)
        width = snippets.shape[-1]
        array = lambda values: jnp.asarray(values, jnp.float32)
        none, one = np.zeros(width), np.ones(width)
        rates = None if rate is None else array(rate)
        bounds, shapes = (array(low), array(high), rates), (array(basis), array(start))
        space = cls(*bounds, array(none), array(one), *shapes, relative=relative)
        raw = np.asarray(space.knots_of(jnp.asarray(snippets[:, 1:]), jnp.asarray(snippets[:, 0])))
        mean = none if relative else raw.mean((0, 1))
        scale = np.sqrt(np.mean((raw - mean) ** 2, axis=(0, 1)))
        return eqx.tree_at(lambda s: (s.mean, s.scale), space, (array(mean), array(scale)))

    @property
    def horizon(self) -> int:
        """Frames of a plan."""
        return self.basis.shape[0]

    @property
    def knots(self) -> int:
        """Knots of a plan."""
        return self.basis.shape[1]

    def actions(
        self, knots: Float[Array, "K A"], before: Float[Array, "past A"]
    ) -> Float[Array, "H A"]:
        """The actions of a plan, in their own units; `before`, the last two actions or more."""
        present = before[-1]
        moved = knots * self.scale + self.mean
        if self.relative:
            speed = present - before[-2]
            wanted = present + self.basis @ jnp.cumsum(moved, 0) + self.start[:, None] * speed
        else:
            wanted = self.basis @ moved
        wanted = jnp.clip(wanted, self.low, self.high)
        if self.rate is None:
            return wanted
        rate = self.rate

        def follow(at: Array, wanted: Array) -> tuple[Array, Array]:
            at = at + jnp.clip(wanted - at, -rate, rate)
            return at, at

        return jax.lax.scan(follow, present, wanted)[1]

    def knots_of(
        self, actions: Float[Array, "*batch length A"], present: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch K A"]:
        """The knots whose plan passes through these actions; past their end the last one is held."""
        length, count = actions.shape[-2], self.knots
        at = (
            _knot_frames(self.horizon, count)
            if self.relative
            else _linear_frames(self.horizon, count)
        )
        values = actions[..., np.minimum(at, length - 1), :]
        if self.relative:
            offsets = values - present[..., None, :]
            values = jnp.diff(offsets, axis=-2, prepend=jnp.zeros_like(offsets[..., :1, :]))
        fixed = self.scale == 0
        return jnp.where(fixed, 0.0, (values - self.mean) / jnp.where(fixed, 1.0, self.scale))


def _knot_frames(horizon: int, knots: int) -> np.ndarray:
    """The frames of the knots: the last ones of equal parts of the plan."""
    return np.maximum(np.round(horizon / knots * np.arange(1, knots + 1)).astype(int) - 1, 0)


def _linear_frames(horizon: int, knots: int) -> np.ndarray:
    """From the first frame to the last; of a single knot the first."""
    return np.round(np.linspace(0, horizon - 1, knots)).astype(int)


def _spline(horizon: int, knots: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts of unit knots and of a unit starting speed in each frame; clamped at both ends."""
    at = np.concatenate([[0], _knot_frames(horizon, knots) + 1])
    frames = np.arange(1, horizon + 1)

    def one(values: np.ndarray, speed: float) -> np.ndarray:
        ends: Any = ((1, speed), (1, 0.0))
        return CubicSpline(at, values, bc_type=ends)(frames)

    basis = np.stack([one(np.eye(knots + 1)[k + 1], 0.0) for k in range(knots)], axis=1)
    return basis, one(np.zeros(knots + 1), 1.0)


def _linear(horizon: int, knots: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts of unit knots in each frame, linear in between; the present speed has none."""
    at, frames = _linear_frames(horizon, knots), np.arange(horizon)
    basis = np.stack([np.interp(frames, at, np.eye(knots)[k]) for k in range(knots)], axis=1)
    return basis, np.zeros(horizon)
