"""The covariant geometric world model: seven learned fields, a solver, and the rollout they make."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from gyrax._types import PRNGKey
from gyrax.dynamics import (
    LangevinDiffusion,
    LangevinDrift,
    PhaseState,
    PresampledPath,
    integrate,
    jump_probability,
    noise_cells,
)
from gyrax.fields import (
    CovariantChartTarget,
    CovariantControl,
    CovariantCurl,
    CovariantJumpRate,
    CovariantMomentumInit,
    CovariantPotential,
    FactorizedJumpOperator,
    ServoForce,
)
from gyrax.geometry import flat, log_map
from gyrax.model.folded import Fields, FoldedWorldModel
from gyrax.nn import Frozen


class Trajectory(eqx.Module):
    """A rollout of H frames; entry i is the state after action i.

    **Fields:** `positions`, points; `momenta`, covectors; `chart_logits`; `chart_weights` =
    softmax(logits); `jump_rates`, per unit of model time; `jump_mask`, where the point was carried to
    another chart; `effective_potential`, Φ.
    """

    positions: Float[Array, "*batch H D"]
    momenta: Float[Array, "*batch H D"]
    chart_logits: Float[Array, "*batch H K"]
    chart_weights: Float[Array, "*batch H K"]
    jump_rates: Float[Array, "*batch H"]
    jump_mask: Bool[Array, "*batch H"]
    effective_potential: Float[Array, "*batch H"]


class WorldModel(eqx.Module):
    """Where the latent goes under a sequence of actions: dynamics on the ball of curvature −c.

    The seven fields are called on one sample: `potential(z, w) -> (force, phi)`,
    `control(z, action, w)`, `curl(z, action)`, `chart_target(z, action)`, `jump_rate(z, w)`,
    `momentum_init(z)`, `jump_operator(z, source, target)`. `servo`, a further force that
    the specification does not have, is there or None.

    One frame of data lasts `dt × substeps` of model time, in `substeps` steps of `solver`.
    """

    potential: CovariantPotential
    control: CovariantControl
    curl: CovariantCurl
    chart_target: CovariantChartTarget
    jump_rate: CovariantJumpRate
    momentum_init: CovariantMomentumInit
    jump_operator: FactorizedJumpOperator
    friction_parameter: Float[Array, ""] | Frozen
    solver: diffrax.AbstractSolver
    dt: float = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    temperature: float = eqx.field(static=True)
    beta: float = eqx.field(static=True)
    use_boris: bool = eqx.field(static=True)
    use_jump: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)
    temperature_parameter: Float[Array, ""] | None = None
    servo: ServoForce | None = None

    @property
    def friction(self) -> Float[Array, ""]:
        """γ: the constant, or softplus of the learned parameter."""
        if isinstance(self.friction_parameter, Frozen):
            return self.friction_parameter.value
        return jax.nn.softplus(self.friction_parameter)

    @property
    def noise_temperature(self) -> Float[Array, ""] | float:
        """T: the constant, or softplus of the learned parameter."""
        if self.temperature_parameter is None:
            return self.temperature
        return jax.nn.softplus(self.temperature_parameter)

    @property
    def is_stochastic(self) -> bool:
        """Whether rollouts with a key differ from each other."""
        return self.temperature_parameter is not None or self.temperature != 0

    @property
    def frame_time(self) -> float:
        """Model time of one frame of data."""
        return self.dt * self.substeps

    def fold(self) -> Fields:
        """Every product of parameters that a rollout needs, made once."""
        return FoldedWorldModel(self)

    def initial_momentum(
        self, z0: Float[Array, " D"], z_previous: Float[Array, " D"] | None = None
    ) -> Float[Array, " D"]:
        """λ²Wz₀, plus, where the frame before is known, the momentum of the geodesic from there.

        That geodesic arrives at z₀ with velocity −log_{z₀}(z₋₁) per frame.
        """
        p = self.momentum_init(z0)
        if z_previous is None:
            return p
        velocity = -log_map(z0, z_previous, self.c) / self.frame_time
        return p + flat(z0, velocity, self.c)

    def initial_memory(self, z0: Float[Array, " D"]) -> Float[Array, " memory"]:
        """What the servo force remembers before a rollout from `z0`; of length 0 without one."""
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

        - `z0`: initial point. `w0`: its chart weights.
        - `actions`: one action a frame.
        - `key`: draws all noise and jumps up front. None, or a temperature of zero, gives the
            deterministic rollout, in which a jump happens where its probability exceeds one half.
        - `z_previous`: the point one frame before `z0`, if known; it gives the initial velocity.
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
            held, memory = self.held_force(y, action, memory)
            y = self._flow(folded, y, (action, w, held), increments)
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
        # Recomputed in reverse: what a frame holds is 330 small arrays, dearer to keep than to make.
        step = jax.checkpoint(frame, prevent_cse=False)
        _, (z, p, logits, w, rates, jumps) = jax.lax.scan(step, start, (actions, noise, uniform))
        before = jnp.concatenate([w0[None], w[:-1]])  # what the fields saw on the way to z
        return Trajectory(z, p, logits, w, rates, jumps, jax.vmap(folded.phi)(z, before))

    def terms(self, folded: Fields, path: PresampledPath | None) -> diffrax.MultiTerm:
        """The SDE of this model; its `args` are `(action, chart weights, held)`, the last
        the force that is held over a frame (or left out)."""

        def forces(t: Any, z: Any, args: Any) -> Any:
            del t
            return folded.forces(z, *args)

        temperature = 0.0 if path is None else self.noise_temperature
        return diffrax.MultiTerm(
            LangevinDrift(forces, self.friction, self.beta, self.c),
            LangevinDiffusion(self.friction, temperature, path, self.c),
        )

    def held_force(
        self, y: PhaseState, action: Float[Array, " A"], memory: Float[Array, " memory"]
    ) -> tuple[Float[Array, " D"] | None, Float[Array, " memory"]]:
        """The force, a covector, that is held over the frame that begins at `y` (None without servo), and
        the memory for the next frame."""
        if self.servo is None:
            return None, memory
        return self.servo(y.z, y.p, action, memory, friction=self.friction, time=self.frame_time)

    def _flow(self, folded: Fields, y: PhaseState, args: tuple, noise: Array | None) -> PhaseState:
        path = None
        if noise is not None:
            path = PresampledPath.from_increments(0.0, self.frame_time, noise, checked=False)
        terms = self.terms(folded, path)
        return integrate(terms, self.solver, 0.0, self.dt, self.substeps, y, args)

    def _jump(
        self, folded: Fields, y: PhaseState, w: Array, logits: Array, jumped: Array
    ) -> PhaseState:
        moved = folded.jump(y, jnp.argmax(w), jnp.argmax(logits))
        return jax.tree.map(lambda new, old: jnp.where(jumped, new, old), moved, y)


def softplus_inverse(x: Float[Array, ""]) -> Float[Array, ""]:
    """The parameter at which softplus is `x` > 0, for a learned friction or temperature to start from."""
    return x + jnp.log(-jnp.expm1(-x))
