"""The chains of a simulation advanced by other means: a plain scan, and a solver of diffrax in flat space."""

from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax._types import PRNGKey
from gyrax.dynamics import PhaseState, kinetic_energy
from gyrax.dynamics.flows import thermostat_flow
from gyrax.geometry import geodesic_flow
from gyrax.simulation.setup import SimulationConfig


def simulate_by_scan(
    config: SimulationConfig, phi: Callable[[Array], Array], steps: int, saves: int
) -> Callable[[PhaseState, PRNGKey], tuple[PhaseState, tuple]]:
    """`advance(states, keys) -> (states, saved rows)`: BAOAB by a plain scan with a key a step."""
    c, h = config.curvature, config.dt
    force_of = jax.grad(phi)

    def step(carry: tuple, key: PRNGKey) -> tuple:
        z, p, force = carry
        p = p - 0.5 * h * force
        z, p = geodesic_flow(z, p, 0.5 * h, c)
        increment = h**0.5 * jr.normal(key, z.shape, z.dtype)
        p = thermostat_flow(
            z, p, increment, h, friction=config.friction, temperature=config.temperature, c=c
        )
        z, p = geodesic_flow(z, p, 0.5 * h, c)
        force = force_of(z)
        return (z, p - 0.5 * h * force, force), None

    def advance_chain(y: PhaseState, key: PRNGKey) -> tuple:
        def save(carry: tuple, first: Array) -> tuple:
            numbered = lambda carry, i: step(carry, jr.fold_in(key, i))
            carry, _ = jax.lax.scan(numbered, carry, first + jnp.arange(steps // saves))
            return carry, carry[:2]

        carry = (y.z, y.p, force_of(y.z))
        carry, (z, p) = jax.lax.scan(save, carry, jnp.arange(0, steps, steps // saves))
        potential = jax.vmap(phi)(z)
        rows = (z, p, potential, potential + kinetic_energy(z, p, c))
        return PhaseState(carry[0], carry[1]), rows

    return jax.jit(jax.vmap(advance_chain))


def simulate_by_align(
    config: SimulationConfig, steps: int
) -> Callable[[PhaseState, PRNGKey], tuple]:
    """`advance(states, keys) -> (x, v)`: diffrax's ALIGN for E = ‖x‖²/2 in flat space."""

    def advance_chain(y: PhaseState, key: PRNGKey) -> tuple:
        span = steps * config.dt
        shape = jax.ShapeDtypeStruct(y.z.shape, y.z.dtype)
        path = diffrax.UnsafeBrownianPath(shape, key, levy_area=diffrax.SpaceTimeTimeLevyArea)
        gradient = lambda x, args: x
        terms = diffrax.MultiTerm(
            diffrax.UnderdampedLangevinDriftTerm(config.friction, config.temperature, gradient),
            diffrax.UnderdampedLangevinDiffusionTerm(config.friction, config.temperature, path),
        )
        solution = diffrax.diffeqsolve(
            terms, diffrax.ALIGN(0.1), 0.0, span, config.dt, (y.z, y.p), max_steps=steps + 1,
            adjoint=diffrax.DirectAdjoint(),
        )  # fmt: skip
        return jax.tree.map(lambda x: x[-1], solution.ys)

    return jax.jit(jax.vmap(advance_chain))
