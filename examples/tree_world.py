"""A data set on which a hierarchy is really there: a walker on a tree.

It goes from leaf to leaf of a ternary tree of depth 4 at changing speed and sees how near it is to each of
the 121 vertices, exp(−distance along the tree): a metric space that flat space cannot hold without distortion
and the hyperbolic plane can (Sarkar 2011). Its action is a speed towards the root or one of three children.

Beside the figure a LeRobot folder `tree` is written, to train and evaluate on:

    python cli.py train --data tree --action-dim 4 --latent-dim 3 --phase 2 --out outputs/tree
    python cli.py evaluate --checkpoint outputs/tree --data tree
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder

BRANCHES, DEPTH, EPISODES, FRAMES = 3, 4, 80, 240
LEVEL = np.repeat(np.arange(DEPTH + 1), BRANCHES ** np.arange(DEPTH + 1))
COUNT = len(LEVEL)
PARENT = (np.arange(COUNT) - 1) // BRANCHES
ANCESTORS = [{0}]
for vertex in range(1, COUNT):
    ANCESTORS.append(ANCESTORS[PARENT[vertex]] | {vertex})
DISTANCE = np.array([[len(a ^ b) for b in ANCESTORS] for a in ANCESTORS])


def route(start, goal):
    """Edges (child vertex, +1 down or −1 up) from one vertex to another."""
    up = sorted(ANCESTORS[start] - ANCESTORS[goal], reverse=True)
    down = sorted(ANCESTORS[goal] - ANCESTORS[start])
    return [(child, -1) for child in up] + [(child, 1) for child in down]


def seen_from(child, fraction):
    """exp(−distance) to every vertex, from `fraction` of the way from a child's parent to it."""
    to_parent = DISTANCE[PARENT[child]] + fraction
    return np.exp(-np.minimum(to_parent, DISTANCE[child] + 1 - fraction))


def episode(rng):
    vertex, speed, edges = int(rng.integers(COUNT)), 0.15, []
    state, action = np.empty((FRAMES, COUNT), np.float32), np.zeros((FRAMES, 4), np.float32)
    done = 1.0
    for frame in range(FRAMES):
        if done >= 1.0:
            while not edges:
                edges = route(vertex, int(rng.integers(COUNT - BRANCHES**DEPTH, COUNT)))
            (child, way), edges = edges[0], edges[1:]
            vertex, done = (child, 0.0) if way > 0 else (int(PARENT[child]), 0.0)
        state[frame] = seen_from(child, done if way > 0 else 1 - done)
        speed = float(np.clip(speed + 0.04 * rng.normal(), 0.03, 0.3))
        action[frame, 0 if way < 0 else 1 + (child - 1) % BRANCHES] = speed
        done = min(1.0, done + speed)
    return {"observation.state": state, "action": action}, "walk from leaf to leaf"


figure_path = Path(sys.argv[1] if len(sys.argv) > 1 else "tree_world.png")
ways = ("to_root", "to_first", "to_second", "to_third")
names = {"observation.state": tuple(f"near_{n}" for n in range(COUNT)), "action": ways}
features = {key: Feature("float32", (len(names[key]),), names[key]) for key in names}
walks = [episode(np.random.default_rng([0, number])) for number in range(EPISODES)]
folder = figure_path.parent / "tree"
write_folder(folder, robot="tree_walker", fps=10, features=features, episodes=walks)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(1, 1.6))
angle = np.concatenate([(np.arange(3**n) + 0.5) * 2 * np.pi / 3**n for n in range(DEPTH + 1)])
x, y = LEVEL * np.cos(angle), LEVEL * np.sin(angle)
left.plot([x[1:], x[PARENT[1:]]], [y[1:], y[PARENT[1:]]], color="0.6", lw=0.8)
left.scatter(x, y, c=LEVEL, s=14, zorder=2)
left.set(aspect="equal", title="the tree", xticks=[], yticks=[])
right.imshow(walks[0][0]["observation.state"].T, aspect="auto", cmap="magma")
right.set(xlabel="frame", ylabel="vertex", title="what the walker sees: exp(−distance)")
fig.savefig(figure_path, dpi=120, bbox_inches="tight")
print(f"{COUNT} vertices, largest distance {DISTANCE.max()}; data folder: {folder}")
