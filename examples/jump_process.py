"""Langevin dynamics with jumps between three wells, at their exact times.

The rate grows with the distance from the nearest well; the mark of a jump is the well it goes to. The
jump is an isometry, so that the momentum keeps its size.
"""

from itertools import pairwise

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
from disk import draw_disk, legend_below, save

import gyrax
from gyrax import geometry
from gyrax.dynamics import BallJumpProcess, jump_probability, simulate

H, T1, CHAINS, RATE = 0.25, 20.0, 2000, 4.0
angles = jnp.pi * jnp.array([0.5, 7 / 6, 11 / 6])
WELLS = 0.6 * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def distances(z):
    return geometry.distance(jnp.broadcast_to(z, WELLS.shape), WELLS)


def gradient(t, z, args):
    return jax.grad(lambda z: -jax.nn.logsumexp(-4.0 * distances(z) ** 2))(z)


def hop(t, z, args, well):
    home = WELLS[jnp.argmin(distances(z))]
    return geometry.mobius_add(WELLS[well], geometry.mobius_add(-home, z))


def another_well(t, z, args, key):
    return jr.categorical(key, jnp.log(distances(z) > distances(z).min()))


hopping = BallJumpProcess(lambda t, z, args: 2.0 * jnp.min(distances(z)) ** 2, hop, another_well)
poisson = BallJumpProcess(lambda t, z, args: RATE, lambda t, z, args, mark: -z)


def chain(key, jumps=poisson, t1=T1, h=H):
    noise, own = jr.split(key)
    path = diffrax.VirtualBrownianTree(0.0, t1, tol=h / 2, shape=(2,), key=noise)
    terms = gyrax.langevin_terms(gradient, friction=0.5, temperature=0.5, path=path)
    y0, solver = gyrax.PhaseState(WELLS[0], jnp.ones(2)), gyrax.GeodesicSplitting("BAOAB")
    return simulate(terms, solver, 0.0, t1, h, y0, key=own, jumps=jumps, saveat=int(t1 / h))


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2))
draw_disk(left)
out = chain(jr.key(8), hopping, t1=24.0, h=0.05)
n = int(out.count)
for a, b in zip(out.before.z[:n], out.after.z[:n], strict=True):
    left.annotate("", b, a, arrowprops=dict(arrowstyle="->", ls="--", color="tab:red", lw=0.9))
for i, j in pairwise([0, *np.searchsorted(out.ts, out.jump_times[:n]), len(out.ts)]):
    left.plot(*out.ys.z[i:j].T, color="tab:blue", lw=1.0)
left.plot([], [], "-C0", label="Langevin path")
left.plot([], [], "--C3", label=f"its {n} jumps")
left.plot(*WELLS.T, "k^", ms=6, label="wells")
legend_below(left, 3)
left.set_title("Jumps between wells")

gaps = np.diff(np.asarray(jax.jit(jax.vmap(chain))(jr.split(jr.key(1), CHAINS)).jump_times[:, :40]))
t = np.linspace(0.0, 2.0, 400)
right.semilogy(np.sort(gaps.ravel()), np.linspace(1, 0, gaps.size), lw=2, label="simulate")
stairs = (1 - jump_probability(jnp.array(RATE), H)) ** (t // H)
right.semilogy(t, stairs, color="tab:orange", label="once a step at most")
right.semilogy(t, np.exp(-RATE * t), "k--", lw=1.2, label=r"exact: $e^{-rt}$")
right.set(xlabel="time between jumps", ylabel="P(longer)", xlim=(0, 2), ylim=(1e-4, 1.3))
right.set_title(f"Rate r = {RATE:g} in steps of h = {H}")
right.legend()
print(f"mean time between jumps {gaps.mean():.4f}, exact {1 / RATE:.4f}")
save(figure, "jump_process.png")
