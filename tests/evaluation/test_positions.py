"""Errors in centimetres, of errors that are known."""

import numpy as np
import pytest

from gyrax.evaluation.positions import position_report, positions

COLUMNS = ("state.joint.pos", "state.hand.y", "state.hand.x", "env.cube.x", "env.cube.y",
           "env.cube.z", "state.hand.z", "env.flat.x", "env.flat.y")  # fmt: skip


def test_positions_are_triples_of_columns_in_any_order():
    found = positions(COLUMNS)
    assert {name: list(at) for name, at in found.items()} == {"hand": [2, 1, 6], "cube": [3, 4, 5]}


def test_names_that_two_share_are_whole():
    columns = [f"{owner}.hand.{axis}" for owner in ("state", "env") for axis in "xyz"]
    assert set(positions(columns)) == {"state.hand", "env.hand"}


def test_errors_are_lengths_in_the_units_of_the_data():
    """Three axes whose scales differ: 1, 2 and 2 cm make 3 cm; the median of many frames."""
    std = np.ones(9)
    std[[3, 4, 5]] = 0.1, 0.2, 0.4
    off = np.zeros((5, 9))
    off[:, [3, 4, 5]] = 0.1, 0.1, 0.05
    off[0] = 1e3
    short, long = (np.arange(1, h + 1)[:, None] * off[None, :, None] for h in (7, 25))
    report = position_report(COLUMNS, std, off, [short, long])
    assert report["cube"]["encoded"] == pytest.approx(3.0)
    assert report["hand"]["encoded"] == 0.0
    assert report["cube"]["frames"] == [1, 7, 10, 20, 25]
    assert report["cube"]["forecast"] == pytest.approx([3.0, 21.0, 30.0, 60.0, 75.0])


def test_without_positions_there_is_nothing():
    assert position_report(("a", "b.x"), np.ones(2), np.ones((3, 2)), []) == {}
