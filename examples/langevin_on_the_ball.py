"""Sample a known law by Langevin dynamics on the ball, and compare with the exact density.

Φ = d(0, z)²/2 at temperature T: the distance r from the origin has density ∝ exp(−r²/2T) sinh r.
"""

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
from disk import draw_disk, legend_below, save

import gyrax
from gyrax import geometry

T, H, T1, CHAINS = 0.3, 0.2, 40.0, 4000


def potential(z):
    return 0.5 * geometry.distance(jnp.zeros_like(z), z) ** 2


def chain(key):
    path = diffrax.VirtualBrownianTree(0.0, T1, tol=H / 2, shape=(2,), key=key)
    terms = gyrax.langevin_terms(
        lambda t, z, args: jax.grad(potential)(z), friction=1.0, temperature=T, path=path
    )
    y0 = gyrax.PhaseState(jnp.array([0.6, 0.0]), jnp.array([0.0, 2.0]))
    return diffrax.diffeqsolve(
        terms,
        gyrax.GeodesicSplitting("BAOAB"),
        t0=0.0,
        t1=T1,
        dt0=H,
        y0=y0,
        saveat=diffrax.SaveAt(steps=True),
        max_steps=int(T1 / H),
    ).ys


states = jax.jit(jax.vmap(chain))(jr.split(jr.key(0), CHAINS))
settled = states.z[:, 50:]  # the first ten time units forget the start
radii = np.asarray(geometry.distance(jnp.zeros_like(settled), settled)).ravel()

r = np.linspace(0.0, 3.5, 400)
density = np.exp(-(r**2) / (2 * T)) * np.sinh(r)
density /= np.trapezoid(density, r)
exact = np.trapezoid(r**2 * density, r)
print(f"E[d²] sampled {np.mean(radii**2):.4f}, exact {exact:.4f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2))
draw_disk(left)
left.plot(*settled[:1000, -1].T, ".", ms=3, color="tab:blue", alpha=0.4, label="chains at t = 40")
left.plot(*states.z[0, :60].T, "-", lw=1.2, color="tab:red", label="one of them to t = 12")
left.plot(0.6, 0.0, "ko", ms=5, label="start")
legend_below(left, 3)
left.set_title("Langevin dynamics on the Poincaré disk")

right.hist(radii, bins=80, density=True, color="tab:blue", alpha=0.45, label="BAOAB, h = 0.2")
right.plot(r, density, "k-", lw=1.5, label=r"exact: $e^{-r^2/2T}\,\sinh r$")
right.set(xlabel="$r = d(0, z)$", ylabel="density", xlim=(0, 3.5))
right.set_title(f"E[d²] = {np.mean(radii**2):.4f}; exactly {exact:.4f}")
right.legend()
save(figure, "langevin_on_the_ball.png")
