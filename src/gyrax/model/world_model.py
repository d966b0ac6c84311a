"""The covariant geometric world model: seven learned fields, a solver, and the rollout they make."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.dynamics import (
    LangevinDiffusion,
    LangevinDrift,
    PhaseState,
    PresampledPath,
    integrate,
    jump_probability,
    kinetic_energy,
    noise_cells,
)
from gyrax.fields import ServoForce
from gyrax.fields.servo import FRAMES
from gyrax.geometry import flat, log_map
from gyrax.model.fields import Fields
from gyrax.model.folded import AbstractRolloutFields, FoldedFields
from gyrax.model.trajectory import Trajectory
from gyrax.model.window import Window
from gyrax.nn import Coefficient


class WorldModel(eqx.Module):
    """Where the latent goes under a sequence of actions: dynamics on the ball of curvature −c.

    It rolls out one sample: a point of shape `(D,)` under actions `(H, A)`. The seven fields are those
    of [`Fields`][gyrax.model.fields.Fields], here under their own names too: `model.potential(z, w)` and so
    on. `servo`, a further force that the document does not have, is there or None. One frame of data lasts
    `dt × substeps` of model time, in `substeps` steps of `solver`.
    """

    fields: Fields
    friction: Coefficient
    temperature: Coefficient
    servo: ServoForce | None
    solver: diffrax.AbstractSolver
    dt: float = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    beta: float = eqx.field(static=True)
    use_potential: bool = eqx.field(static=True)
    use_control: bool = eqx.field(static=True)
    use_boris: bool = eqx.field(static=True)
    use_jump: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    potential = property(lambda self: self.fields.potential)
    control = property(lambda self: self.fields.control)
    curl = property(lambda self: self.fields.curl)
    chart_target = property(lambda self: self.fields.chart_target)
    jump_rate = property(lambda self: self.fields.jump_rate)
    momentum_init = property(lambda self: self.fields.momentum_init)
    jump_operator = property(lambda self: self.fields.jump_operator)

    @property
    def is_stochastic(self) -> bool:
        """Whether rollouts with a key differ from each other."""
        return not self.temperature.is_zero

    @property
    def frame_time(self) -> float:
        """Model time of one frame of data."""
        return self.dt * self.substeps

    @property
    def acting(self) -> tuple[str, ...]:
        """Which fields move the state."""
        used = (
            ("potential", self.use_potential),
            ("control", self.use_control),
            ("curl", self.use_boris),
        )
        return tuple(name for name, acts in used if acts)

    def fold(self) -> AbstractRolloutFields:
        """Every product of parameters that a rollout needs, made once."""
        return FoldedFields(self.fields, self.acting)

    def regressed(self, windows: Window) -> "WorldModel":
        """With the servo force regressed on the first three frames of these windows, if there is one and it
        has not been before."""
        servo = self.servo
        if servo is None or jnp.any(servo.start.value):
            return self
        frames = np.concatenate([windows.context, windows.target], axis=1)[:, :FRAMES]
        known = windows.context.shape[1]
        whole = np.asarray(windows.mask)[:, FRAMES - 1 - known] > 0
        actions = np.asarray(windows.actions)[whole, FRAMES - 1 - known]
        fitted = servo.regressed(frames[whole], actions, time=self.frame_time)
        return eqx.tree_at(lambda model: model.servo, self, fitted)

    def initial_momentum(
        self, z0: Float[Array, " D"], z_previous: Float[Array, " D"] | None = None
    ) -> Float[Array, " D"]:
        """λ²Wz₀, plus, where the frame before is known, the momentum of the geodesic from there.

        That geodesic arrives at z₀ with velocity −log_{z₀}(z₋₁) per frame.
        """
        p = self.fields.momentum_init(z0)
        if z_previous is None:
            return p
        velocity = -log_map(z0, z_previous, self.c) / self.frame_time
        return p + flat(z0, velocity, self.c)

    def initial_memory(self, z0: Float[Array, " D"]) -> Float[Array, " memory"]:
        """The servo force's memory at the start of a rollout; of length 0 without a servo force."""
        return z0[:0] if self.servo is None else self.servo.no_memory(z0)

    def rollout(
        self,
        z0: Float[Array, " D"],
        actions: Float[Array, "H A"],
        w0: Float[Array, " K"],
        *,
        key: PRNGKey | None = None,
        z_previous: Float[Array, " D"] | None = None,
    ) -> Trajectory:
        """Roll out one sample under `actions`; batch it with `jax.vmap`.

        **Arguments:**

        - `z0`: initial point, shape `(D,)`. `w0`: its chart weights, `(K,)`.
        - `actions`: one action a frame, `(H, A)`.
        - `key`: draws all noise and jumps up front. None, or a temperature of zero, gives the
            deterministic rollout, in which a jump happens where its probability exceeds one half.
        - `z_previous`: the point one frame before `z0`, if known, `(D,)`; it gives the initial velocity.
        """
        folded = self.fold()
        horizon, dim = actions.shape[0], z0.shape[-1]
        cells = self.substeps * noise_cells(self.solver)
        noise = uniform = None
        if key is not None and self.is_stochastic:
            noise_key, jump_key = jr.split(key)
            noise = jr.normal(noise_key, (horizon, cells, dim), z0.dtype)
            noise = noise * (self.frame_time / cells) ** 0.5
            uniform = jr.uniform(jump_key, (horizon,), z0.dtype)

        def frame(carry: tuple, xs: tuple) -> tuple:
            y, w, memory = carry
            action, increments, draw = xs
            force, memory = self.frame_force(y, action, memory)
            y = self._flow(folded, y, (action, w, force), increments)
            logits, rate = folded.readout(y.z, action, w)
            jumped = jnp.asarray(False)
            if self.use_jump:
                threshold = 0.5 if draw is None else draw
                jumped = jump_probability(rate, self.frame_time) > threshold
                y = self._jump(folded, y, w, logits, jumped)
            w = jax.nn.softmax(logits)
            return (y, w, memory), (y.z, y.p, logits, w, rate, jumped)

        y0 = PhaseState(z0, self.initial_momentum(z0, z_previous))
        start = (y0, w0, self.initial_memory(z0))
        # Recomputed in the backward pass: a frame's 330 small arrays cost more to store than to compute.
        step = jax.checkpoint(frame, prevent_cse=False)
        _, (z, p, logits, w, rates, jumps) = jax.lax.scan(step, start, (actions, noise, uniform))
        before = jnp.concatenate([w0[None], w[:-1]])  # what the fields saw on the way to z
        phi = jax.vmap(folded.phi)(z, before)
        return Trajectory(z, p, logits, w, rates, jumps, phi, kinetic_energy(z, p, self.c))

    def terms(
        self, folded: AbstractRolloutFields, path: PresampledPath | None
    ) -> diffrax.MultiTerm:
        """The SDE of this model; its `args` are `(action, chart weights, force)`, the last
        constant over a frame (or left out)."""

        def forces(t: Any, z: Any, args: Any) -> Any:
            del t
            return folded.forces(z, *args)

        friction = self.friction.value
        temperature = 0.0 if path is None else self.temperature.value
        return diffrax.MultiTerm(
            LangevinDrift(forces, friction, self.beta, self.c),
            LangevinDiffusion(friction, temperature, path, self.c),
        )

    def frame_force(
        self, y: PhaseState, action: Float[Array, " A"], memory: Float[Array, " memory"]
    ) -> tuple[Float[Array, " D"] | None, Float[Array, " memory"]]:
        """The force, a covector, that is constant over the frame that begins at `y` (None without servo), and
        the memory for the next frame."""
        if self.servo is None:
            return None, memory
        return self.servo(
            y.z, y.p, action, memory, friction=self.friction.value, time=self.frame_time
        )

    def _flow(
        self, folded: AbstractRolloutFields, y: PhaseState, args: tuple, noise: Array | None
    ) -> PhaseState:
        path = None
        if noise is not None:
            path = PresampledPath.from_increments(0.0, self.frame_time, noise, checked=False)
        terms = self.terms(folded, path)
        return integrate(terms, self.solver, 0.0, self.dt, self.substeps, y, args)

    def _jump(
        self, folded: AbstractRolloutFields, y: PhaseState, w: Array, logits: Array, jumped: Array
    ) -> PhaseState:
        moved = folded.jump(y, jnp.argmax(w), jnp.argmax(logits))
        return jax.tree.map(lambda new, old: jnp.where(jumped, new, old), moved, y)
