"""The same rollouts and simulations by other means, for `python cli.py bench`."""

from dataclasses import fields

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr

from gyrax.bench.naive import NaiveWorldModel
from gyrax.dynamics import (
    PhaseState,
    PresampledPath,
    jump_probability,
    kinetic_energy,
)
from gyrax.dynamics.flows import kick_flow, thermostat_flow
from gyrax.geometry import geodesic_flow
from gyrax.model.world_model import Trajectory, WorldModel


class ScannedWorldModel(WorldModel):
    """A rollout, one step a frame with one O, as one writes it by hand: no solver, terms or path."""

    def rollout(self, z0, actions, w0, *, key=None, z_previous=None):
        """One window, as `WorldModel.rollout`."""
        assert self.substeps == 1
        word: str = self.solver.word  # pyright: ignore[reportAttributeAccessIssue]
        part = {letter: self.dt / word.count(letter) for letter in word}
        fields, h, c = self.fold(), self.dt, self.c
        noise = uniform = None
        if key is not None and self.temperature != 0:
            noise_key, jump_key = jr.split(key)
            noise = h**0.5 * jr.normal(noise_key, (len(actions), z0.shape[-1]), z0.dtype)
            uniform = jr.uniform(jump_key, (len(actions),), z0.dtype)
        temperature = 0.0 if noise is None else self.temperature

        def frame(carry, xs):
            z, p, w, memory = carry
            action, increment, draw = xs
            increment = jnp.zeros_like(p) if increment is None else increment
            held, memory = self.held_force(PhaseState(z, p), action, memory)
            for letter in word:
                if letter == "A":
                    z, p = geodesic_flow(z, p, part["A"], c)
                elif letter == "B":
                    forces = fields.forces(z, action, w, held)
                    p = kick_flow(z, p, forces, part["B"], beta=self.beta, c=c)
                else:
                    p = thermostat_flow(
                        z, p, increment, h, friction=self.friction, temperature=temperature, c=c
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
        return Trajectory(*jax.lax.scan(frame, start, (actions, noise, uniform))[1])


class SolvedWorldModel(WorldModel):
    """A rollout that calls `diffrax.diffeqsolve` for every frame."""

    def _flow(self, folded, y, args, noise):
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


WORLD_MODELS = {
    "naive": NaiveWorldModel,
    "scan": ScannedWorldModel,
    "diffeqsolve": SolvedWorldModel,
}


def like(model, kind):
    """The same world model, rolled out by the yardstick `kind`."""
    return WORLD_MODELS[kind](**{f.name: getattr(model, f.name) for f in fields(model)})


def simulate_by_scan(config, phi, steps, saves):
    """`advance(states, keys) -> (states, saved rows)`: BAOAB by a plain scan with a key a step."""
    c, h, gamma = config.curvature, config.dt, config.friction
    slope = jax.grad(phi)

    def one(y, key):
        def step(carry, i):
            z, p, force = carry
            p = p - 0.5 * h * force
            z, p = geodesic_flow(z, p, 0.5 * h, c)
            increment = h**0.5 * jr.normal(jr.fold_in(key, i), z.shape, z.dtype)
            p = thermostat_flow(
                z, p, increment, h, friction=gamma, temperature=config.temperature, c=c
            )
            z, p = geodesic_flow(z, p, 0.5 * h, c)
            force = slope(z)
            return (z, p - 0.5 * h * force, force), None

        def save(carry, first):
            carry, _ = jax.lax.scan(step, carry, first + jnp.arange(steps // saves))
            return carry, carry[:2]

        carry = (y.z, y.p, slope(y.z))
        carry, (z, p) = jax.lax.scan(save, carry, jnp.arange(0, steps, steps // saves))
        potential = jax.vmap(phi)(z)
        rows = (z, p, potential, potential + kinetic_energy(z, p, c))
        return PhaseState(carry[0], carry[1]), rows

    return jax.jit(jax.vmap(one))


def simulate_by_align(config, steps):
    """`advance(states, keys) -> states`: diffrax's ALIGN for E = ‖x‖²/2 in flat space."""

    def one(y, key):
        span = steps * config.dt
        shape = jax.ShapeDtypeStruct(y.z.shape, y.z.dtype)
        path = diffrax.UnsafeBrownianPath(shape, key, levy_area=diffrax.SpaceTimeTimeLevyArea)
        terms = diffrax.MultiTerm(
            diffrax.UnderdampedLangevinDriftTerm(
                config.friction, config.temperature, lambda x, _: x
            ),
            diffrax.UnderdampedLangevinDiffusionTerm(config.friction, config.temperature, path),
        )
        solver, adjoint = diffrax.ALIGN(0.1), diffrax.DirectAdjoint()
        made = diffrax.diffeqsolve(
            terms, solver, 0.0, span, config.dt, (y.z, y.p), max_steps=steps + 1, adjoint=adjoint
        )
        return jax.tree.map(lambda x: x[-1], made.ys)

    return jax.jit(jax.vmap(one))
