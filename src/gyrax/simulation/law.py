"""The exact law of the distance from the origin, by quadrature."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gyrax.geometry import distance, project
from gyrax.simulation.potentials import POTENTIALS, Potential
from gyrax.simulation.setup import SimulationConfig


@dataclass(frozen=True)
class Law:
    """The exact law of r = d(0, z) on a grid, with E[r²] and E[H]."""

    r: Float[np.ndarray, " points"]
    density: Float[np.ndarray, " points"]
    second_moment: float
    energy: float


def exact_law(config: SimulationConfig) -> Law | str:
    """p(r) ∝ sinh(√c r)^{D−1} ∫ exp(−Φ(r, θ)/T) sin(θ)^{D−2} dθ by quadrature, or why there is none.

    θ is the angle from the first axis, about which the named potentials are symmetric.
    """
    named = POTENTIALS.get(config.potential)
    if named is None:
        return "a trained potential: no exact law is known"
    if not config.thermostat:
        return "no thermostat (γT = 0): no law to compare with"
    if not named.confining:
        return "exp(-Φ/T) has no finite integral:\nchains run outward, and there is no exact law"
    edge = float(distance(jnp.zeros(2), project(jnp.ones(2), config.curvature), config.curvature))
    low, high = 0.0, edge
    for _ in range(5):  # Each time closer about where the density is.
        r = np.linspace(low, high, 2001)[1:]
        log_density, mean_potential = _log_density(config, named, r)
        near = np.flatnonzero(log_density > log_density.max() - 45)
        low, high = r[max(near[0] - 1, 0)], r[min(near[-1] + 1, len(r) - 1)]
        low = 0.0 if near[0] == 0 else low
    if r[-1] == edge and log_density[-1] > log_density.max() - 15:
        kind = jnp.zeros(()).dtype
        return f"the exact law reaches past d = {edge:.1f},\nthe largest distance in {kind}"
    density = np.exp(log_density - log_density.max())
    if low == 0.0:  # where sinh and so the density vanish
        r, density, mean_potential = (np.append(0.0, x) for x in (r, density, mean_potential))
    density /= np.trapezoid(density, r)
    mean = lambda values: float(np.trapezoid(values * density, r))
    energy = mean(mean_potential) + 0.5 * config.dim * config.temperature
    return Law(r, density, mean(r**2), energy)


def _log_density(config: SimulationConfig, named: Potential, r: np.ndarray) -> tuple:
    """log p(r) up to a constant, and E[Φ | r]."""
    root, temperature = config.curvature**0.5, config.temperature
    nodes, weights = np.polynomial.legendre.leggauss(128)
    angle = 0.5 * np.pi * (nodes + 1.0)
    with jax.enable_x64(True):
        radius = np.tanh(0.5 * root * r) / root
        z = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        phi = np.asarray(
            jax.jit(jax.vmap(jax.vmap(lambda z: named.phi(z, config.curvature))))(jnp.asarray(z))
        )
    exponent = -phi / temperature + np.log(weights) + (config.dim - 2) * np.log(np.sin(angle))
    top = exponent.max(1, keepdims=True)
    share = np.exp(exponent - top)
    log_sinh = root * r + np.log1p(-np.exp(-2.0 * root * r))
    log_density = top[:, 0] + np.log(share.sum(1)) + (config.dim - 1) * log_sinh
    return log_density, (share * phi).sum(1) / share.sum(1)
