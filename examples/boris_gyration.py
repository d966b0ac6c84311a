"""A charge in the uniform magnetic field of the hyperbolic plane.

F = λ²B J turns the velocity at the rate B everywhere. A charge of speed below B goes round in a circle,
as in flat space; at B it runs along a horocycle, and above B it escapes along an open curve. The
rotation is a Cayley transform (Buneman–Boris), which keeps the speed to rounding.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from disk import draw_disk, legend_below, save

import gyrax
from gyrax import geometry
from gyrax.dynamics import simulate

jax.config.update("jax_enable_x64", True)

B, H, T1 = 1.0, 0.05, 12.0
J = jnp.array([[0.0, -1.0], [1.0, 0.0]])


def field(t, z, args):
    return B * geometry.conformal_factor(z) ** 2 * J


terms = gyrax.langevin_terms(
    lambda t, z, args: jnp.zeros_like(z), friction=0.0, temperature=0.0, path=None, field=field
)


@jax.jit
def orbit(speed):
    z = jnp.array([-0.35, 0.0])
    p = geometry.conformal_factor(z) * speed * jnp.array([0.0, -1.0])
    solver = gyrax.GeodesicSplitting("BAB")
    return simulate(terms, solver, 0.0, T1, H, gyrax.PhaseState(z, p), saveat=int(T1 / H))


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2), width_ratios=(1, 1.1))
draw_disk(left)
names = {0.5: "circle", 0.8: "circle", 1.0: "horocycle", 1.3: "open"}
for (speed, name), colour in zip(names.items(), plt.cm.viridis([0.1, 0.4, 0.65, 0.9]), strict=True):
    out = orbit(speed)
    left.plot(*out.ys.z.T, color=colour, lw=1.6, label=f"speed {speed:g} B: {name}")
    energy = gyrax.kinetic_energy(out.ys.z, out.ys.p)
    error = np.abs(energy / (0.5 * speed**2) - 1.0)
    right.semilogy(out.ts, np.maximum(error, 1e-17), color=colour, lw=1.0)
    print(f"speed {speed:g}: kinetic energy kept to {error.max():.1e}")
left.plot(-0.35, 0.0, "ko", ms=5)
legend_below(left)
left.set_title("Gyration in a uniform field, B = 1")
right.axhline(np.finfo(float).eps, color="k", ls=":", lw=1.0)
right.text(9.0, 1.1e-16, "spacing of float64", fontsize=8)
right.set(xlabel="time", ylabel="relative error of the kinetic energy", ylim=(1e-17, 1e-12))
right.set_title(f"Energy over {int(T1 / H)} steps of h = {H}")
save(figure, "boris_gyration.png")
