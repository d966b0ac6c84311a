"""The same rollouts by other means, to be timed beside ours."""

from dataclasses import fields

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import PRNGKey
from gyrax.bench.naive import NaiveWorldModel
from gyrax.dynamics import (
    GeodesicSplitting,
    PhaseState,
    PresampledPath,
    jump_probability,
    kinetic_energy,
)
from gyrax.dynamics.flows import kick_flow, thermostat_flow
from gyrax.geometry import geodesic_flow
from gyrax.model import Trajectory, WorldModel
from gyrax.model.folded import AbstractRolloutFields


class ScannedWorldModel(WorldModel):
    """A rollout, one step a frame with one O, as one writes it by hand: no solver, terms or path."""

    def rollout(
        self,
        z0: Float[Array, " D"],
        actions: Float[Array, "H A"],
        w0: Float[Array, " K"],
        *,
        key: PRNGKey | None = None,
        z_previous: Float[Array, " D"] | None = None,
    ) -> Trajectory:
        """One window, as `WorldModel.rollout`."""
        assert self.substeps == 1 and isinstance(self.solver, GeodesicSplitting)
        word = self.solver.word
        duration = {letter: self.dt / word.count(letter) for letter in word}
        fields, h, c = self.fold(), self.dt, self.c
        noise = uniform = None
        if key is not None and self.is_stochastic:
            noise_key, jump_key = jr.split(key)
            noise = h**0.5 * jr.normal(noise_key, (len(actions), z0.shape[-1]), z0.dtype)
            uniform = jr.uniform(jump_key, (len(actions),), z0.dtype)
        temperature = 0.0 if noise is None else self.temperature.value

        def frame(carry: tuple, xs: tuple) -> tuple:
            z, p, w, memory = carry
            action, increment, draw = xs
            increment = jnp.zeros_like(p) if increment is None else increment
            frame_force, memory = self.frame_force(PhaseState(z, p), action, memory)
            for letter in word:
                if letter == "A":
                    z, p = geodesic_flow(z, p, duration["A"], c)
                elif letter == "B":
                    forces = fields.forces(z, action, w, frame_force)
                    p = kick_flow(z, p, forces, duration["B"], beta=self.beta, c=c)
                else:
                    p = thermostat_flow(
                        z,
                        p,
                        increment,
                        h,
                        friction=self.friction.value,
                        temperature=temperature,
                        c=c,
                    )
            logits, rate = fields.readout(z, action, w)
            jumped = jnp.asarray(False)
            if self.use_jump:
                jumped = jump_probability(rate, h) > (0.5 if draw is None else draw)
                moved = fields.jump(PhaseState(z, p), jnp.argmax(w), jnp.argmax(logits))
                z, p = jnp.where(jumped, moved.z, z), jnp.where(jumped, moved.p, p)
            phi = fields.phi(z, w)
            w = jax.nn.softmax(logits)
            return (z, p, w, memory), (z, p, logits, w, rate, jumped, phi)

        start = (z0, self.initial_momentum(z0, z_previous), w0, self.initial_memory(z0))
        xs = (actions, noise, uniform)
        z, p, logits, w, rates, jumps, phi = jax.lax.scan(frame, start, xs)[1]
        return Trajectory(z, p, logits, w, rates, jumps, phi, kinetic_energy(z, p, c))


class SolvedWorldModel(WorldModel):
    """A rollout that calls `diffrax.diffeqsolve` for every frame."""

    def _flow(
        self, folded: AbstractRolloutFields, y: PhaseState, args: tuple, noise: Array | None
    ) -> PhaseState:
        path = None
        if noise is not None:
            path = PresampledPath.from_increments(0.0, self.frame_time, noise, checked=False)
        solution = diffrax.diffeqsolve(
            self.terms(folded, path),
            self.solver,
            0.0,
            self.frame_time,
            self.dt,
            y,
            args,
            max_steps=self.substeps,
            throw=False,
        )
        return jax.tree.map(lambda y: y[-1], solution.ys)


WORLD_MODELS: dict[str, type[WorldModel]] = {
    "naive": NaiveWorldModel,
    "scan": ScannedWorldModel,
    "diffeqsolve": SolvedWorldModel,
}


def like(model: WorldModel, kind: str) -> WorldModel:
    """The same world model, rolled out by the yardstick `kind`."""
    return WORLD_MODELS[kind](**{f.name: getattr(model, f.name) for f in fields(model)})
