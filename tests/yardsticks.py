"""The same rollout by other means, for `python cli.py bench`: naive, by a plain scan, by diffeqsolve."""

from dataclasses import fields

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr

from gyrax.dynamics import PhaseState, PresampledPath, apply_jump, jump_probability
from gyrax.dynamics.flows import kick_flow, thermostat_flow
from gyrax.geometry import geodesic_flow
from gyrax.model.world_model import Trajectory, WorldModel
from naive import NaiveWorldModel


class ScannedWorldModel(WorldModel):
    """A rollout by BAOAB, one step a frame, as one writes it by hand: no solver, no terms, no path."""

    def rollout(self, z0, actions, w0, *, key=None, z_previous=None):
        assert self.solver.word == "BAOAB" and self.substeps == 1
        fields, h, c = self.fold(), self.dt, self.c
        noise = uniform = None
        if key is not None and self.temperature != 0:
            noise_key, jump_key = jr.split(key)
            noise = h**0.5 * jr.normal(noise_key, (len(actions), z0.shape[-1]), z0.dtype)
            uniform = jr.uniform(jump_key, (len(actions),), z0.dtype)
        temperature = 0.0 if noise is None else self.temperature

        def frame(carry, xs):
            z, p, w = carry
            action, increment, draw = xs
            p = kick_flow(z, p, fields.forces(z, action, w), 0.5 * h, beta=self.beta, c=c)
            z, p = geodesic_flow(z, p, 0.5 * h, c)
            increment = 0.0 if increment is None else increment
            p = thermostat_flow(
                z, p, increment, h, friction=self.friction, temperature=temperature, c=c
            )
            z, p = geodesic_flow(z, p, 0.5 * h, c)
            p = kick_flow(z, p, fields.forces(z, action, w), 0.5 * h, beta=self.beta, c=c)
            logits, rate = fields.readout(z, action, w)
            jumped = jnp.asarray(False)
            if self.use_jump:
                jumped = jump_probability(rate, h) > (0.5 if draw is None else draw)
                source, target = jnp.argmax(w), jnp.argmax(logits)
                moved = apply_jump(
                    lambda x: fields.jump_operator(x, source, target), PhaseState(z, p), c
                )
                z, p = jnp.where(jumped, moved.z, z), jnp.where(jumped, moved.p, p)
            phi = fields.phi(z, w)
            w = jax.nn.softmax(logits)
            return (z, p, w), (z, p, logits, w, rate, jumped, phi)

        start = (z0, self.initial_momentum(z0, z_previous), w0)
        return Trajectory(*jax.lax.scan(frame, start, (actions, noise, uniform))[1])


class SolvedWorldModel(WorldModel):
    """A rollout that calls `diffrax.diffeqsolve` for every frame."""

    def _flow(self, folded, y, action, w, noise):
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
            (action, w),
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
