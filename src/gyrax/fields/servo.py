"""The servo force: towards the point at which regression and a network expect the next frame."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import Covector, Point, PRNGKey
from gyrax.geometry import exp_map, flat, log_map, safe_norm, sharp
from gyrax.nn.frozen import Frozen

SMALL = 0.01
FRAMES = 3
PENALTY = 1e-4
"""Of the regression. Validation episodes unlike the training ones ask for this much (1e-6: 2 % worse)."""
FARTHEST = 3.0
"""Bound on √c‖log₀ z*‖, a distance of 6 from the origin: twice as far as the encoder's points."""


def second_difference_map(
    y: Float[np.ndarray, "M 3 D"], actions: Float[np.ndarray, "M A"], *, time: float = 1.0
) -> tuple[Float[np.ndarray, "D inputs"], np.floating]:
    """S and the unit u: the least-squares map from (y, ẏ, a, 1) at the middle of three frames, `time` apart,
    to the second difference of y over them, with y in units of its root mean square; with a small ridge
    penalty and in float64."""
    unit = np.sqrt(np.mean(y**2))
    before, here, after = (y[:, i] / unit for i in range(FRAMES))
    known = here, (here - before) / time, np.asarray(actions, np.float64), np.ones((len(y), 1))
    x = np.concatenate(known, axis=1)
    penalty = PENALTY * len(x) * np.diag(np.r_[np.ones(x.shape[1] - 1), 0.0])
    second = (after - 2.0 * here + before) / time**2
    return np.linalg.solve(x.T @ x + penalty, x.T @ second).T, unit


class ServoForce(eqx.Module):
    """r = (e^{γT} ♭log_z(z*)/T − p)/T, a covector: it leads from z to the goal z* within a frame.

    A kick by r, friction e^{−γT} and drift for T (the word "boa") take a state exactly to z*. The goal
    is z* = exp₀(u(y + Tẏ + T²[(S + W) x + f(x)])) with y = log₀ z / u, x = (y, ẏ, a, 1), and ẏ the change
    of y over the frame before, seen from the momentum. `start`, S, is the least-squares solution, which
    is not trained, so that weight decay of the `change` W draws towards regression and not towards
    no motion at all; f is a network of two hidden layers of gated linear units. The `unit` u makes the
    coordinates of y of size one, as those of standardised features are: set with S, and not trained.

    With a `memory`, f sees (x, m), where m is the state of a gated recurrent unit that has read the x of
    every frame so far. It can hold causes of the motion that neither latent nor momentum shows.

    Force and memory stay constant over a frame, as the action does. Shapes: of a point `(D,)`, a covector
    `(D,)`, an action `(A,)` and a memory `(memory,)` it makes a covector `(D,)` and the next memory.

    Not in the document. A position servo is what moves the robot's joints. Source: docs/model.md, section 8.
    """

    start: Frozen
    unit: Frozen
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
        return cls(Frozen(none), Frozen(jnp.ones(())), none, layers, c, memory)

    def regressed(
        self,
        points: Float[np.ndarray, "M 3 D"],
        actions: Float[np.ndarray, "M A"],
        *,
        time: float,
    ) -> "ServoForce":
        """With u and S, the least-squares solution, of three successive frames and actions at the middle one.

        The second difference of y over the three frames, which lie `time` apart, is regressed on what the
        force sees at the middle one, with a small ridge penalty and in float64.
        """
        z = jnp.asarray(points)
        y = np.asarray(log_map(jnp.zeros_like(z), z, self.c), np.float64)
        matrix, unit = second_difference_map(y, actions, time=time)
        dtype = self.start.value.dtype
        start, unit = (Frozen(jnp.asarray(a, dtype)) for a in (matrix, unit))
        return replace(self, start=start, unit=unit)

    def no_memory(self, z: Point) -> Float[Array, " memory"]:
        """The memory at the start of a rollout: zeros, of length 0 for a force without memory."""
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
        origin, unit = jnp.zeros_like(z), self.unit.value
        y = log_map(origin, z, self.c) / unit
        before = exp_map(z, -time * sharp(z, p, self.c), self.c)
        rate = (y - log_map(origin, before, self.c) / unit) / time
        x = jnp.concatenate([y, rate, action])
        memory = memory if self.memory is None else self.memory(x, memory)
        matrix = self.start.value + self.change
        acceleration = matrix[:, :-1] @ x + matrix[:, -1] + self.correction(x, memory)
        ahead = unit * (y + time * (rate + time * acceleration))
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
