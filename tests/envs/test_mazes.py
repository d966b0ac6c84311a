"""Mazes: their maps are trees, and the shortest ways are those of a search over blocks."""

from collections import deque
from importlib.util import find_spec

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.envs.bridge import Bridge
from gyrax.envs.mazes import KINDS, Ways, maze_map


def free_cells(walls):
    return [tuple(cell) for cell in np.argwhere(walls == 0).tolist()]


def steps_from(walls, start):
    """Breadth-first: blocks from one to every other, along rows and columns."""
    seen, queue = {start: 0}, deque([start])
    while queue:
        i, j = queue.popleft()
        for near in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            if walls[near] == 0 and near not in seen:
                seen[near] = seen[i, j] + 1
                queue.append(near)
    return seen


def test_maps_are_spanning_trees():
    """All cells are joined, and as many passages are open as a tree has edges; with loops there are more."""
    for kind in KINDS:
        walls = maze_map(6, kind, 3)
        assert walls.shape == (13, 13) and walls[[0, -1]].all() and walls[:, [0, -1]].all()
        cells = free_cells(walls)
        assert len(steps_from(walls, (1, 1))) == len(cells)
        passages = len(cells) - 36
        assert passages > 35 if kind == "loops" else passages == 35
        np.testing.assert_array_equal(walls, maze_map(6, kind, 3))


def test_depth_first_trees_have_longer_corridors():
    def dead_ends(kind):
        walls = maze_map(10, kind, 0)
        open_sides = lambda i, j: 4 - walls[[i - 1, i + 1, i, i], [j, j, j - 1, j + 1]].sum()
        return sum(open_sides(i, j) == 1 for i, j in free_cells(walls))

    assert dead_ends("depth_first") < 0.6 * dead_ends("prim")


def test_ways_are_those_of_blocks_but_for_cut_corners():
    """A disc as wide as a block keeps to the middle, and cuts a corner by a node; a smaller one cuts more,
    and none is faster than the straight line."""
    walls = maze_map(4, "prim", 0)
    cells = free_cells(walls)
    middle = np.array([[j + 0.5 - 4.5, 4.5 - i - 0.5] for i, j in cells])
    blocks = np.array([[steps_from(walls, a)[b] for b in cells] for a in cells])
    small = Ways(walls > 0, size=1.0, radius=0.1).lengths(middle, middle)
    wide = Ways(walls > 0, size=1.0, radius=0.4).lengths(middle, middle)
    straight = np.linalg.norm(middle[:, None] - middle[None], axis=-1)
    assert (small >= straight - 1e-9).all() and (small <= wide + 1e-9).all()
    assert (wide <= blocks + 1e-6).all() and (wide >= 0.85 * blocks - 1e-6).all()
    neighbours = blocks == 1
    np.testing.assert_allclose(small[neighbours], 1.0, rtol=1e-6)
    np.testing.assert_allclose(small, small.T, atol=1e-6)
    scaled = Ways(walls > 0, size=2.0, radius=0.2).lengths(2 * middle, 2 * middle)
    np.testing.assert_allclose(scaled, 2 * small, rtol=1e-6)


def test_open_space_is_measured_to_three_percent():
    walls = np.ones((12, 12), bool)
    walls[1:-1, 1:-1] = False
    rng = np.random.default_rng(0)
    places = rng.uniform(-4, 4, (40, 2)).round(1) + 0.05
    lengths = Ways(walls, size=1.0, radius=0.1).lengths(places, places)
    straight = np.linalg.norm(places[:, None] - places[None], axis=-1)
    far = straight > 0.5
    ratio = lengths[far] / straight[far]
    assert ratio.min() > 1 - 1e-6 and ratio.max() < 1.03


def test_what_is_no_place_is_the_nearest_one():
    ways = Ways(maze_map(3, "prim", 0) > 0, size=1.0, radius=0.1)
    inside = np.array([[-2.0, 2.0]])
    assert ways.lengths(np.array([[-99.0, 99.0]]), inside)[0, 0] < 1.0


@pytest.mark.parametrize("bad", [{"kind": "hedge"}, {"cells": 1}])
def test_other_mazes_are_refused(bad):
    with pytest.raises(InputError, match="a maze of kind"):
        maze_map(**{"cells": 4, "kind": "prim", "seed": 0} | bad)


@pytest.mark.skipif(find_spec("gymnasium_robotics") is None, reason="needs gymnasium-robotics")
def test_a_point_runs_through_a_tree():
    bridge = Bridge.make("gyrax/TreeMaze-v0", {"cells": 4, "kind": "prim", "maze_seed": 1}, 10)
    assert bridge.fps == 10 and bridge.can_restore and bridge.max_frames == 300
    start = bridge.reset(0)
    ahead = bridge.step(np.array([1.0, 0.0])).features
    goal = start.copy()
    goal[list(bridge.goal_columns)] = bridge.goal
    ways = bridge.way_lengths(np.stack([start, start]), np.stack([goal, start]))
    assert ways.shape == (2,) and ways[1] == 0 and np.isfinite(ways[0])
    straight = np.linalg.norm((goal - start)[list(bridge.goal_columns)])
    assert ways[0] > straight - 0.1
    assert not np.array_equal(start, ahead)


@pytest.mark.skipif(find_spec("gymnasium_robotics") is None, reason="needs gymnasium-robotics")
def test_a_frame_is_as_many_steps_as_asked():
    args = {"cells": 4}
    once, often = Bridge.make("gyrax/TreeMaze-v0", args), Bridge.make("gyrax/TreeMaze-v0", args, 5)
    action = np.array([0.3, -0.8])
    for bridge in (once, often):
        bridge.reset(3)
    for _ in range(5):
        step = once.step(action)
    np.testing.assert_array_equal(step.features, often.step(action).features)
    assert once.fps == 5 * often.fps


@pytest.mark.skipif(find_spec("gymnasium") is None, reason="needs gymnasium")
def test_repeating_is_refused_where_it_makes_no_sense():
    with pytest.raises(InputError, match="--action-repeat is 0"):
        Bridge.make("Pendulum-v1", {}, 0)
    with pytest.raises(InputError, match="frame rate of its own"):
        Bridge.make("gyrax/ArmPush-v0", {}, 2)
