"""Splits of episodes: disjoint, complete, the same every time, and of the asked size."""

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.windows import split_episodes


@pytest.mark.parametrize(
    ("count", "fraction", "held"), [(100, 0.1, 10), (100, 0.2, 20), (7, 0.4, 3), (3, 0.45, 1)]
)
def test_splits_are_disjoint_and_of_the_asked_size(count, fraction, held):
    parts = split_episodes(count, fraction)
    assert (len(parts["val"]), len(parts["test"])) == (held, held)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    again = split_episodes(count, fraction)
    assert all((parts[name] == again[name]).all() for name in parts)


def test_two_episodes_cannot_be_split():
    with pytest.raises(InputError, match="at least 3"):
        split_episodes(2)
