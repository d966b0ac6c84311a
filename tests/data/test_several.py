"""Several data sets as one."""

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.frames import load_all_frames, load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from tiny import write_tiny


def test_episodes_follow_each_other(tiny_folder, tmp_path):
    other = write_tiny(tmp_path / "other", count=2, length=30, seed=5)
    one, two = load_frames(tiny_folder), load_frames(other)
    both = load_all_frames([tiny_folder, other])
    assert both.episodes == one.episodes + 2 and both.columns == one.columns
    np.testing.assert_array_equal(both.features, np.concatenate([one.features, two.features]))
    np.testing.assert_array_equal(
        both.rows(np.array([one.episodes])) - len(one.actions), np.arange(30)
    )
    assert both.offsets[-1] == len(both.actions) == len(one.actions) + 60
    assert both.digest != one.digest and str(other) in both.source
    assert load_all_frames([tiny_folder]).digest == one.digest


def test_data_of_another_robot_is_named(tiny_folder):
    with pytest.raises(InputError, match=r"has other features than .*give data sets of one robot"):
        load_all_frames([tiny_folder, DEFAULT_FOLDER])
