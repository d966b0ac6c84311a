"""Several jump processes at once: what a simulation asks of all of them together.

Independent processes of rates λᵢ are one process of rate Σλᵢ, of whose events each is of process i with
probability λᵢ/Σλᵢ. Those with a bound are proposed together, at the sum of the bounds, and thinned.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax.dynamics.jumps import AbstractJumpProcess


class Superposition(eqx.Module):
    """The processes in the order given; `alone`, whether one was given by itself."""

    every: tuple[AbstractJumpProcess, ...]
    alone: bool = eqx.field(static=True)

    @property
    def searched(self) -> tuple[int, ...]:
        """The numbers of the processes without a bound."""
        return tuple(i for i, process in enumerate(self.every) if not process.bounded)

    @property
    def thinned(self) -> tuple[int, ...]:
        """The numbers of the processes with one."""
        return tuple(i for i, process in enumerate(self.every) if process.bounded)

    def rates(self, numbers: tuple[int, ...], t: Any, y: Any, args: Any) -> Array:
        """The rates of some processes, shape `(numbers,)`."""
        return jnp.stack([self.every[i].intensity(t, y, args) for i in numbers])

    def searched_rate(self, t: Any, y: Any, args: Any) -> Array:
        """The sum of the rates without a bound; NaN where one is negative."""
        if len(self.searched) == 1:
            return self.every[self.searched[0]].intensity(t, y, args)
        if not self.searched:
            return jnp.zeros((), jnp.result_type(float))
        rates = self.rates(self.searched, t, y, args)
        return jnp.where((rates >= 0).all(), rates.sum(), jnp.nan)

    def pick_searched(self, t: Any, y: Any, args: Any, key: Any) -> Array:
        """The number of the process that an event found by search is of."""
        if len(self.searched) == 1:
            return jnp.asarray(self.searched[0])
        rates = self.rates(self.searched, t, y, args)
        return jnp.asarray(self.searched)[jr.categorical(key, jnp.log(rates))]

    def line(self, t: Array, end: Array, args: Any) -> "Line":
        """The bounds from `t` to `end`."""
        at = lambda t: jnp.stack([self.every[i].limit(t, args) for i in self.thinned])
        return Line(end - t, at(t), at(end))

    def marks(self, t: Any, y: Any, args: Any, key: Any) -> tuple:
        """What the marks are like, as structs."""
        draw = lambda process: eqx.filter_eval_shape(lambda k: process.draw(t, y, args, k), key)
        return tuple(draw(process) for process in self.every)

    def fire(self, which: Array, t: Any, y: Any, args: Any, key: Any, terms: Any) -> tuple:
        """An event of process `which`: the marks, zero for the other processes, and the state after it."""
        if len(self.every) == 1:
            mark = self.every[0].draw(t, y, args, key)
            return (mark,), self.every[0].move(t, y, args, mark, terms)
        structs = self.marks(t, y, args, key)

        def fire_one(i: int) -> tuple:
            mark = self.every[i].draw(t, y, args, key)
            marks = [jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), s) for s in structs]
            marks[i] = mark
            return tuple(marks), self.every[i].move(t, y, args, mark, terms)

        return lax.switch(which, [lambda i=i: fire_one(i) for i in range(len(self.every))])


class Line(NamedTuple):
    """Bounds that run straight from `begin` to `end`, shapes `(thinned,)`, over a `length` of time."""

    length: Array
    begin: Array
    end: Array

    def at(self, s: Array) -> Array:
        """Each bound after a time `s`."""
        share = jnp.where(self.length > 0, s / jnp.where(self.length > 0, self.length, 1.0), 0.0)
        return self.begin + share * (self.end - self.begin)

    def hazard(self, s: Array) -> Array:
        """The integral of their sum over a time `s`."""
        return 0.5 * s * (self.begin.sum() + self.at(s).sum())

    def reach(self, hazard: Array) -> Array:
        """The time, at most `length`, after which the integral is `hazard`."""
        first, last = self.begin.sum(), self.end.sum()
        length = jnp.where(self.length > 0, self.length, 1.0)
        root = jnp.sqrt(jnp.maximum(first**2 + 2.0 * (last - first) / length * hazard, 0.0))
        speed = first + root
        reach = 2.0 * hazard / jnp.where(speed > 0, speed, 1.0)
        return jnp.where(speed > 0, jnp.minimum(reach, self.length), self.length)

    def valid(self) -> Array:
        """Whether no bound is negative, infinite or NaN."""
        ends = jnp.concatenate([self.begin, self.end])
        return (jnp.isfinite(ends) & (ends >= 0)).all()


def superposed(jumps: AbstractJumpProcess | Sequence[AbstractJumpProcess]) -> Superposition:
    """One process or a sequence of them as one. Raises `ValueError` for anything else."""
    alone = isinstance(jumps, AbstractJumpProcess)
    every = (jumps,) if alone else tuple(jumps) if isinstance(jumps, Sequence) else ()
    if not every or not all(isinstance(x, AbstractJumpProcess) for x in every):
        raise ValueError(
            f"jumps is {jumps!r}; give a gyrax.JumpProcess (on the ball a gyrax.BallJumpProcess), or a "
            "list of them."
        )
    return Superposition(every, alone)
