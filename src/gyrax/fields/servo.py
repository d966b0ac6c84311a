"""The servo force: towards the point at which regression and a network expect the next frame."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Covector, Point, PRNGKey
from gyrax.geometry import exp_map, flat, log_map, safe_norm, sharp
from gyrax.nn.spectral import Frozen

SMALL = 0.01
FARTHEST = 3.0
"""Bound on √c‖log₀ z*‖, a distance of 6 from the origin: twice as far as the encoder's points."""


class ServoForce(eqx.Module):
    """r = (e^{γT} ♭log_z(z*)/T − p)/T, a covector: it leads from z to the goal z* within a frame.

    Kicked by r, rubbed by e^{−γT} and drifted for T (the word "boa"), a state arrives at z*. The goal
    is z* = exp₀(y + Tẏ + T²[(S + W) x + f(x)]) with y = log₀ z, x = (y, ẏ, a, 1), and ẏ the change of
    y over the frame before, seen from the momentum. `start`, S, is the least-squares solution, which
    is not trained, so that weight decay of the `change` W draws towards regression and not towards
    no motion at all; f is a network of two hidden layers of gated linear units.

    With a `memory`, f sees (x, m), where m is the state of a gated recurrent unit that has read the x of
    every frame up to this one: what neither latent nor momentum shows of the motion's causes.

    Like the action, force and memory are held over a frame. Source: not in the specification; a position
    servo is what moves the robot's joints.
    """

    start: Frozen
    change: Float[Array, "D inputs"]
    layers: tuple[eqx.nn.Linear, eqx.nn.Linear, eqx.nn.Linear]
    c: float = eqx.field(static=True)
    memory: eqx.nn.GRUCell | None = None

    @classmethod
    def create(
        cls,
        dim: int,
        actions: int,
        width: int,
        remembered: int = 0,
        *,
        c: float,
        key: PRNGKey,
    ) -> "ServoForce":
        """A goal straight ahead, but for a small network of hidden width `width`; it has a memory of
        `remembered` numbers, or none where that is 0."""
        first, second, last = jr.split(key, 3)
        inputs = 2 * dim + actions
        memory = None
        if remembered:
            memory = eqx.nn.GRUCell(inputs, remembered, key=jr.fold_in(key, 3))
        layers = (
            eqx.nn.Linear(inputs + remembered, 2 * width, key=first),
            eqx.nn.Linear(width, 2 * width, key=second),
            jax.tree.map(lambda w: SMALL * w, eqx.nn.Linear(width, dim, key=last)),
        )
        none = jnp.zeros((dim, inputs + 1))
        return cls(Frozen(none), none, layers, c, memory)

    def no_memory(self, z: Point) -> Float[Array, " memory"]:
        """What is remembered before a rollout from `z`: nothing. Of length 0 where there is no memory."""
        return jnp.zeros(0 if self.memory is None else self.memory.hidden_size, z.dtype)

    def correction(
        self, x: Float[Array, " inputs"], memory: Float[Array, " memory"]
    ) -> Float[Array, " D"]:
        """f(x, m)."""
        *hidden, last = self.layers
        x = jnp.concatenate([x, memory])
        for layer in hidden:
            x = jax.nn.glu(layer(x))
        return last(x)

    def goal(
        self,
        z: Point,
        p: Covector,
        action: Float[Array, " A"],
        memory: Float[Array, " memory"],
        time: float,
    ) -> tuple[Point, Float[Array, " memory"]]:
        """z*, expected a frame of length `time` after `z`, and the memory with this frame in it."""
        origin = jnp.zeros_like(z)
        y = log_map(origin, z, self.c)
        before = exp_map(z, -time * sharp(z, p, self.c), self.c)
        rate = (y - log_map(origin, before, self.c)) / time
        x = jnp.concatenate([y, rate, action])
        memory = memory if self.memory is None else self.memory(x, memory)
        matrix = self.start.value + self.change
        acceleration = matrix[:, :-1] @ x + matrix[:, -1] + self.correction(x, memory)
        ahead = y + time * (rate + time * acceleration)
        length, limit = safe_norm(ahead), FARTHEST * self.c**-0.5
        return exp_map(origin, ahead * limit / jnp.maximum(length, limit), self.c), memory

    def __call__(
        self,
        z: Point,
        p: Covector,
        action: Float[Array, " A"],
        memory: Float[Array, " memory"],
        *,
        friction: Any,
        time: float,
    ) -> tuple[Covector, Float[Array, " memory"]]:
        """The force for a frame that begins at (z, p) and lasts `time`, under friction γ, and the memory
        for the next frame."""
        goal, memory = self.goal(z, p, action, memory, time)
        towards = flat(z, log_map(z, goal, self.c), self.c)
        return (jnp.exp(friction * time) * towards / time - p) / time, memory
