"""The point of Gymnasium-Robotics in a maze that is a tree, with the shortest ways known."""

from typing import Any

import numpy as np
from gymnasium_robotics.envs.maze.point_maze import (  # pyright: ignore[reportMissingImports]
    PointMazeEnv,
)
from jaxtyping import Float

from gyrax.envs.mazes import Ways, maze_map

RADIUS = 0.1
"""Of the point's ball."""


class TreeMaze(PointMazeEnv):
    """A ball that is pushed through a maze of corridors, from a random place to another."""

    def __init__(self, cells: int = 8, kind: str = "prim", maze_seed: int = 0, **kwargs: Any):
        """`kind`: prim, depth_first or loops, of `cells` × `cells` cells; `maze_seed` draws it."""
        walls = maze_map(cells, kind, maze_seed)
        super().__init__(maze_map=walls.tolist(), **kwargs)
        self._ways = Ways(walls > 0, size=float(self.maze.maze_size_scaling), radius=RADIUS)

    def way_lengths(
        self, starts: Float[np.ndarray, "N 2"], goals: Float[np.ndarray, "M 2"]
    ) -> Float[np.ndarray, "N M"]:
        """The length in metres of the shortest way from each start to each goal."""
        return self._ways.lengths(starts, goals)
