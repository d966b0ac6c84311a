"""What the example of distances in a maze starts from: a maze that is a tree, random walks in it, and an
encoder of its places."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.patches import Rectangle

from gyrax import geometry
from gyrax.envs.mazes import Ways, maze_map
from gyrax.model import TimeToGo
from gyrax.nn import WaveNetwork

CELLS, WALKS, FRAMES = 8, 1000, 60
WALLS = maze_map(CELLS, "prim", 1)
SIDE = len(WALLS)


def is_wall(places):
    """Which places lie in a wall: x to the right and y up from the middle, a block as the unit."""
    return WALLS[(SIDE / 2 - places[:, 1]).astype(int), (places[:, 0] + SIDE / 2).astype(int)] > 0


def random_walks(rng):
    """`(WALKS, FRAMES, 2)` places; what would end in a wall slides along it."""
    rows, columns = np.nonzero(WALLS == 0)
    start = rng.integers(len(rows), size=WALKS)
    place = np.stack([columns[start] + 0.5 - SIDE / 2, SIDE / 2 - rows[start] - 0.5], axis=1)
    way, walks = rng.normal(size=place.shape), []
    for _ in range(FRAMES):
        way = 0.9 * way + 0.3 * rng.normal(size=place.shape)
        for axis in np.eye(2):
            step = np.clip(0.35 * way @ axis, -0.8, 0.8)[:, None] * axis
            ahead = place + step + 0.1 * np.sign(step)
            place = np.where(is_wall(ahead)[:, None], place, place + step)
        walks.append(place)
    return np.stack(walks, axis=1).astype(np.float32)


def way_lengths(places, goals):
    """Of the shortest ways, from each place to each goal."""
    return Ways(WALLS > 0, size=1.0, radius=0.1).lengths(places, goals)


def parted(places, ways, count=3):
    """Pairs among the first places that a wall parts: near to each other, and far to go."""
    some = places[: ways.shape[1]]
    apart = np.linalg.norm(some[:, None] - some[None], axis=-1)
    detour, pairs = np.where(apart < 2.5, ways[: len(some)], 0.0), []
    for _ in range(count):
        i, j = np.unravel_index(detour.argmax(), detour.shape)
        pairs.append((int(i), int(j)))
        near = np.minimum(apart[i], apart[j]) < 4
        detour[near], detour[:, near] = 0.0, 0.0
    return pairs


def draw_walls(ax):
    """The blocks that are walls."""
    for i, j in np.argwhere(WALLS):
        ax.add_patch(Rectangle((j - SIDE / 2, SIDE / 2 - i - 1), 1, 1, color="#555555", zorder=0))
    ax.set(aspect="equal", xticks=[], yticks=[])


class Encoder(eqx.Module):
    """From a place to a latent point: a linear path with a network over random waves beside it."""

    network: WaveNetwork
    time: TimeToGo
    c: float = eqx.field(static=True)

    def __call__(self, x):
        return geometry.exp_map(jnp.zeros(2), 0.12 * x + self.network(x), self.c)

    @classmethod
    def started(cls, seen, c, key):
        """One whose scale of time is that of the walks that were `seen`."""
        network = WaveNetwork.create(2, 2, 64, 64, scale=0.01, key=key)
        encoder = cls(network, TimeToGo.create(), c)
        z = jax.vmap(jax.vmap(encoder))(seen[:, :2])
        time = encoder.time.started(np.asarray(geometry.distance(z[:, 0], z[:, 1], c)))
        return eqx.tree_at(lambda e: e.time, encoder, time)
