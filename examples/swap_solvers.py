"""Every solver on the same equation and the same Brownian paths: error against step size.

The terms carry the whole equation, so that diffrax's own solvers integrate it too. All but the document's
step converge to the same paths.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
from disk import save

import gyrax
from gyrax import geometry

jax.config.update("jax_enable_x64", True)

FINE, PATHS = 2048, 200
STEPS = np.array([4, 8, 16, 32, 64, 128])
keys = jr.split(jr.key(0), PATHS)
paths = jax.vmap(lambda k: gyrax.PresampledPath.sample(0.0, 1.0, FINE, 3, key=k).values)(keys)


def potential(z):
    return 0.5 * geometry.distance(jnp.zeros_like(z), z) ** 2 + 0.3 * jnp.sin(3.0 * z[0] + 1.0)


def gradient(t, z, args):
    return jax.grad(potential)(z)


def field(t, z, args):
    return 3.0 * jnp.cos(z[0]) * jnp.array([[0, 1, 0.5], [-1, 0, 2], [-0.5, -2, 0]])


@eqx.filter_jit
def ends(solver, steps, noisy, paths):
    """(z, p) at t = 1 on every path, in `steps` steps: diffrax's manual stepping, in a loop."""

    def one(values):
        path = gyrax.PresampledPath(0.0, 1.0, values, checked=False)
        noise = dict(friction=noisy, temperature=0.3 * noisy, path=path, checked=False)
        terms = gyrax.langevin_terms(gradient, field=field, **noise)
        y0 = gyrax.PhaseState(jnp.array([0.3, -0.2, 0.1]), jnp.array([1.0, 2.0, -1.0]))

        def step(k, carry):
            t0, t1 = k / steps, (k + 1) / steps
            y, _, _, state, _ = solver.step(terms, t0, t1, carry[0], None, carry[1], False)
            return y, state

        carry = (y0, solver.init(terms, 0.0, 1.0 / steps, y0, None))
        y, _ = jax.lax.fori_loop(0, steps, step, carry)
        return jnp.concatenate([y.z, y.p])

    return jax.vmap(one)(paths)


figure, axes = plt.subplots(1, 2, figsize=(12, 5.6), sharey=True)
for ax, noisy, order in ((axes[0], jnp.array(1.0), 1), (axes[1], jnp.array(0.0), 2)):
    truth = ends(gyrax.solver_by_name("heun"), np.int64(FINE), noisy, paths)
    for k, name in enumerate(gyrax.solver_names()):
        if name == "bab" and noisy:  # it has no thermostat
            continue
        solver = gyrax.solver_by_name(name)
        solve = lambda n, solver=solver, noisy=noisy: ends(solver, n, noisy, paths)
        error = [np.linalg.norm(solve(n) - truth, axis=1).mean() for n in STEPS]
        line = "-" if isinstance(solver, gyrax.GeodesicSplitting) else "--"
        style = dict(label=name, marker="os^Dv*<>px+d"[k], ms=5, lw=1.2, color=plt.cm.tab20(k))
        ax.loglog(1.0 / STEPS, error, line, **style)
        print(f"noise {noisy:g}  {name:16s}", " ".join(f"{e:.1e}" for e in error), flush=True)
    ax.loglog(1.0 / STEPS, 0.003 * (STEPS[0] / STEPS) ** order, "k:", lw=1.5)
    ax.text(0.06, 0.0012 * 0.24**order, f"order {order}", rotation=24 * order)
    ax.set(xlabel="step size h", title="with noise" if noisy else "without noise or friction")
    ax.grid(alpha=0.3)
axes[0].set_ylabel("mean error of (z, p) at t = 1")
axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
save(figure, "swap_solvers.png")
