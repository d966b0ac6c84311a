"""Mazes as trees: their maps, and the shortest ways through them."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from gyrax._errors import InputError

KINDS = ("prim", "depth_first", "loops")
LOOPS = 0.2
"""Share of the remaining walls between cells that a map with loops opens."""
GRID = 10
"""Nodes along the side of a block, of the graph in which shortest ways are found."""
_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))


def maze_map(cells: int, kind: str, seed: int) -> Int[np.ndarray, "rows columns"]:
    """A spanning tree of `cells` × `cells` cells as a map of blocks, one for a wall: 2 · cells + 1 each way.

    Prim's trees branch everywhere, depth-first ones have long corridors, `loops` are Prim's with some walls
    opened. Raises `InputError` for another kind or size.
    """
    if kind not in KINDS or cells < 2:
        raise InputError(
            f"a maze of kind {kind!r} with {cells} cells a side; give one of {', '.join(KINDS)}, and 2 cells "
            "or more."
        )
    rng = np.random.default_rng(seed)
    walls = np.ones((2 * cells + 1, 2 * cells + 1), int)
    start = (cells // 2, cells // 2)
    walls[2 * start[0] + 1, 2 * start[1] + 1] = 0
    edges = _edges(start, cells)
    while edges:
        chosen = len(edges) - 1 if kind == "depth_first" else int(rng.integers(len(edges)))
        (a, b), (i, j) = edges.pop(chosen)
        if walls[2 * i + 1, 2 * j + 1]:
            walls[2 * i + 1, 2 * j + 1] = walls[a + i + 1, b + j + 1] = 0
            more = _edges((i, j), cells)
            edges += [more[k] for k in rng.permutation(len(more))]
    if kind == "loops":
        inner = np.zeros_like(walls, bool)
        inner[2:-2:2, 1::2] = inner[1::2, 2:-2:2] = True
        walls[inner & (rng.random(walls.shape) < LOOPS)] = 0
    return walls


def _edges(cell: tuple[int, int], cells: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From a cell to each of its neighbours."""
    i, j = cell
    near = ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1))
    return [(cell, (a, b)) for a, b in near if 0 <= a < cells and 0 <= b < cells]


class Ways:
    """Shortest ways between places of a map, for a disc of a radius.

    On a grid of `GRID` nodes a block with 16 neighbours each: at most 3 % too long in the open.
    """

    def __init__(self, walls: Bool[np.ndarray, "rows columns"], *, size: float, radius: float):
        """`size` of a block, and `radius` of the disc, in one unit."""
        fine = np.kron(walls, np.ones((GRID, GRID))) > 0
        spacing = size / GRID
        # From the middle of a node to the border of the nearest wall.
        away: Any = ndimage.distance_transform_edt(~fine)
        room = (away - 0.5) * spacing
        self._free = room >= radius - 1e-9
        self._number = np.where(self._free, np.cumsum(self._free).reshape(self._free.shape) - 1, -1)
        self._spacing, self._size = spacing, size
        self._shape = np.array(walls.shape)
        taken = ~self._free
        nearest: Any = ndimage.distance_transform_edt(
            taken, return_distances=False, return_indices=True
        )
        self._nearest = self._number[tuple(nearest)]
        self._graph = self._connected()

    def _connected(self) -> Any:
        rows, columns, lengths = [], [], []
        for step in _STEPS:
            open_ = self._free & self._shifted(self._free, step)
            if abs(step[0]) + abs(step[1]) > 1:
                across, along = (int(np.sign(s)) for s in step)
                for middle in ((across, 0), (0, along)):
                    open_ &= self._shifted(self._free, middle)
            rows.append(self._number[open_])
            columns.append(self._shifted(self._number, step)[open_])
            lengths.append(np.full(int(open_.sum()), self._spacing * np.hypot(*step)))
        count = int(self._free.sum())
        entries = np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns))
        return coo_matrix(entries, shape=(count, count)).tocsr()

    def _shifted(self, values: np.ndarray, step: tuple[int, int]) -> np.ndarray:
        """What is `step` away from each node; at the border nothing."""
        out = np.zeros_like(values)
        (a, b), (n, m) = step, values.shape
        rows, columns = slice(max(0, -a), n - max(0, a)), slice(max(0, -b), m - max(0, b))
        from_rows, from_columns = slice(max(0, a), n + min(0, a)), slice(max(0, b), m + min(0, b))
        out[rows, columns] = values[from_rows, from_columns]
        return out

    def nodes(self, places: Float[np.ndarray, "N 2"]) -> Int[np.ndarray, " N"]:
        """The node next to each place (x to the right, y up, from the middle of the map)."""
        half = self._shape[::-1] * self._size / 2
        column = (places[:, 0] + half[0]) / self._spacing
        row = (half[1] - places[:, 1]) / self._spacing
        rows, columns = self._free.shape
        within = lambda at, size: np.clip(at.astype(int), 0, size - 1)
        return self._nearest[within(row, rows), within(column, columns)]

    def lengths(
        self, starts: Float[np.ndarray, "N 2"], goals: Float[np.ndarray, "M 2"]
    ) -> Float[np.ndarray, "N M"]:
        """How long the shortest way is from each start to each goal; infinite where there is none."""
        from_goals = dijkstra(self._graph, directed=False, indices=self.nodes(goals))
        return from_goals[:, self.nodes(starts)].T
