"""Geodesics, and what curvature does to a vector that is carried around a triangle.

A vector transported along the sides of a geodesic triangle comes back turned by the area it enclosed,
which is π less the sum of the angles.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from disk import draw_disk, legend_below, save

from gyrax import geometry

jax.config.update("jax_enable_x64", True)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.4))

# A fan of geodesics from one point, with the circles of distance 1, 2, 3 around it.
draw_disk(left)
centre = jnp.array([0.45, 0.2])
unit = 1.0 / geometry.conformal_factor(centre)
angles = jnp.linspace(0.0, 2.0 * jnp.pi, 181)
directions = unit * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)
point = jax.vmap(jax.vmap(lambda v, t: geometry.exp_map(centre, t * v), (None, 0)), (0, None))
for line in point(directions[::12], jnp.linspace(0.0, 9.0, 91)):
    left.plot(*line.T, color="tab:blue", lw=1.0)
for circle in point(directions, jnp.arange(1.0, 4.0)).swapaxes(0, 1):
    left.plot(*circle.T, color="tab:orange", lw=1.6)
left.plot([], [], color="tab:blue", label="geodesics from ●")
left.plot([], [], color="tab:orange", label="points at distance 1, 2, 3")
left.plot(*centre, "ko", ms=5)
left.set_title("Geodesics and circles")
legend_below(left)

# A vector carried around a triangle.
draw_disk(right)
corners = [jnp.array(z) for z in ([-0.55, -0.35], [0.75, -0.3], [0.0, 0.75])]
vector = 0.5 / geometry.conformal_factor(corners[0]) * jnp.array([1.0, 1.2])
first, steps = vector, np.linspace(0.0, 1.0, 9)
for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
    side = geometry.geodesic(
        jnp.broadcast_to(start, (60, 2)), jnp.broadcast_to(end, (60, 2)), jnp.linspace(0, 1, 60)
    )
    right.plot(*side.T, color="tab:blue", lw=1.6)
    for t in steps[:-1]:
        here = geometry.geodesic(start, end, t)
        arrow = geometry.parallel_transport(vector, start, here)
        right.annotate(
            "", here + arrow, here, arrowprops=dict(arrowstyle="->", color="tab:green", lw=1.1)
        )
    vector = geometry.parallel_transport(vector, start, end)
for arrow, colour in ((first, "tab:green"), (vector, "tab:red")):
    right.annotate(
        "", corners[0] + arrow, corners[0], arrowprops=dict(arrowstyle="->", color=colour, lw=2.2)
    )
right.plot([], [], color="tab:green", label="the vector, carried along")
right.plot([], [], color="tab:red", label="and come back")


def angle(u, v):
    return jnp.arctan2(u[0] * v[1] - u[1] * v[0], jnp.dot(u, v))


inner = sum(
    abs(angle(geometry.log_map(a, b), geometry.log_map(a, c)))
    for a, b, c in (corners, corners[1:] + corners[:1], corners[2:] + corners[:2])
)
turned, area = angle(first, vector), jnp.pi - inner
right.set_title(f"Turned by {abs(turned):.6f} rad; the area is {area:.6f}")
legend_below(right)
print(f"turned by {abs(turned):.12f}, area {area:.12f}")
save(figure, "geodesics.png")
