"""Distance that means time, in a maze: the same training on the Poincaré disk and in the plane.

Random walks only, no shortest way given: frames that follow each other are held near, all others pushed
apart. Geodesics between latents then run through the corridors, and the disk has the room that branches need.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax
from disk import draw_disk, save
from maze_walks import FRAMES, WALKS, Encoder, draw_walls, parted, random_walks, way_lengths
from scipy.stats import spearmanr

from gyrax import geometry
from gyrax.losses.reach import Later, draw_gaps, reach

STEPS, BATCH = 2000, 256
rng = np.random.default_rng(0)
walks = random_walks(rng)
seen = jnp.asarray(walks / walks.std())


@eqx.filter_jit
def train(encoder, key):
    """Adam on the loss `reach`, of random frames and one a little later in the same walk each."""
    parts, rest = eqx.partition(encoder, eqx.is_inexact_array)
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))

    def loss(parts, key):
        encoder, keys = eqx.combine(parts, rest), jr.split(key, 3)
        walk, at = (
            jr.randint(k, (BATCH,), 0, n) for k, n in zip(keys, (WALKS, FRAMES), strict=False)
        )
        gap = draw_gaps(keys[2], FRAMES - 1 - at)
        z, later = (jax.vmap(encoder)(seen[walk, frame]) for frame in (at, at + gap))
        return reach(encoder.time, z, Later(later, gap), encoder.c)

    def step(carry, key):
        updates, state = optimiser.update(jax.grad(loss)(carry[0], key), carry[1])
        return (optax.apply_updates(carry[0], updates), state), None

    carry, _ = jax.lax.scan(step, (parts, optimiser.init(parts)), jr.split(key, STEPS))
    return eqx.combine(carry[0], rest)


places = walks.reshape(-1, 2)[rng.choice(WALKS * FRAMES, 4000, replace=False)]
ways = way_lengths(places, places[:200])
far, pairs = ways > np.quantile(ways, 2 / 3), parted(places, ways)
figure, (maze, disk, plane) = plt.subplots(1, 3, figsize=(15, 5.2))
draw_disk(disk)
for ax, name, c, dots in ((disk, "disk", 1.0, "o"), (plane, "plane", 1e-8, "x")):
    encoder = train(Encoder.started(seen, c, jr.key(0)), jr.key(1))
    z = jax.vmap(encoder)(jnp.asarray(places / walks.std()))
    frames = np.asarray(encoder.time.frames(z[:, None], z[None, :200], c))
    ranks = [spearmanr(ways[k], frames[k])[0] for k in (ways > 0.5, far)]
    ax.scatter(*z.T, c=ways[:, 0], s=3, zorder=2)
    ax.set_title(
        f"{name}: rank correlation with time {ranks[0]:.2f},\nof the far third {ranks[1]:.2f}"
    )
    print(
        f"{name}: rank correlation with the shortest way {ranks[0]:.3f}, far third {ranks[1]:.3f}"
    )
    for (i, j), colour in zip(pairs, ("#d55e00", "#cc79a7", "#000000"), strict=True):
        ends = (jnp.broadcast_to(z[k], (60, 2)) for k in (i, j))
        path = geometry.geodesic(*ends, jnp.linspace(0, 1, 60), c)
        ax.plot(*path.T, color=colour, lw=1.8, zorder=3)
        nearest = np.asarray(geometry.distance(path[:, None], z[None], c)).argmin(axis=1)
        maze.plot(*places[nearest].T, dots, color=colour, ms=5)
maze.scatter(*places.T, c=ways[:, 0], s=3, zorder=1)
draw_walls(maze)
maze.set_title("frames nearest to geodesics\n● of the disk, x of the plane")
plane.set(aspect="equal", xticks=[], yticks=[])
save(figure, "maze_distance.png")
