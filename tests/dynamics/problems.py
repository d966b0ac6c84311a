"""The Langevin problems that the tests of the dynamics share, and one compiled loop to run them with."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gyrax import PhaseState, kinetic_energy, langevin_terms
from gyrax.dynamics import integrate

# For loops that run for longer than they compile: the other tests' programs are not optimised at all.
OPTIMISED = {"xla_backend_optimization_level": 1}

PALINDROMES = ("baoab", "obabo", "aboba", "aoboa", "oabao", "bab")


def harmonic(z, c=1.0):
    """Φ = d(0, z)²/2, smooth at the origin too."""
    root = jnp.sqrt(c)
    square = jnp.sum(z * z)
    r = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    return jnp.where(square > 0, 0.5 * (2.0 / root * jnp.arctanh(root * r)) ** 2, 0.0)


def bumpy(z, c=1.0):
    """A smooth potential without symmetry, to put every term of the equation to work."""
    waves = jnp.sin(3.0 * z[0] + 1.0) + 0.5 * jnp.cos(4.0 * z[1] - z[0])
    return harmonic(z, c) + 0.3 * waves


def twisting_field(t, z, args):
    """An antisymmetric F(z) that is no multiple of a constant one."""
    dim = z.shape[0]
    grid = jnp.arange(1.0, dim * dim + 1.0, dtype=z.dtype).reshape(dim, dim)
    wave = jnp.sin(grid + 2.0 * z[:, None] - z[None, :])
    return 3.0 * (wave - wave.T)


def terms_of(potential, *, c=1.0, **options):
    """`langevin_terms` of a scalar potential Φ(z, c)."""
    options = {"friction": 0.0, "temperature": 0.0, "path": None} | options
    gradient = jax.grad(potential)
    return langevin_terms(lambda t, z, args: gradient(z, c), c=c, **options)


def hamiltonian(potential, y, c=1.0):
    return potential(y.z, c) + kinetic_energy(y.z, y.p, c)


def start(dim, dtype=None, c=1.0):
    z = 0.45 * jnp.cos(jnp.arange(1.0, dim + 1.0)) / dim**0.5 / c**0.5
    p = 1.5 * jnp.sin(jnp.arange(2.0, dim + 2.0))
    return PhaseState(z.astype(dtype or z.dtype), p.astype(dtype or p.dtype))


@eqx.filter_jit
def run(solver, terms, h, steps, y0, measure=lambda y: jnp.zeros(())):
    """The state after `steps` steps of size `h`, and the largest |measure(y) − measure(y0)| seen."""
    first = measure(y0)

    def step(k, carry):
        y, state, worst = carry
        y, _, _, state, _ = solver.step(terms, k * h, (k + 1) * h, y, None, state, False)
        return y, state, jnp.maximum(worst, jnp.abs(measure(y) - first))

    carry = (y0, solver.init(terms, 0.0, h, y0, None), jnp.zeros_like(first))
    y, _, worst = jax.lax.fori_loop(0, steps, step, carry)
    return y, worst


compiled_integrate = eqx.filter_jit(integrate)  # run op by op, each of its operations is a program


def slope(steps, errors):
    """The slope of log error against log step, by least squares."""
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def tree_of(t1, tol, dim, key, t0=0.0, dtype=None):
    shape = jax.ShapeDtypeStruct((dim,), dtype or jnp.result_type(float))
    return diffrax.VirtualBrownianTree(t0, t1, tol, shape, key)
