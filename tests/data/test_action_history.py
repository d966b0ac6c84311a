"""Actions come with backward differences that never look across the start of an episode."""

from dataclasses import replace

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.data.store import Frames


def frames(seed=0):
    rng = np.random.default_rng(seed)
    actions = rng.normal(size=(30, 2)).astype(np.float32)
    features = rng.normal(size=(30, 3)).astype(np.float32)
    return Frames(features, actions, np.array([0, 12, 30]), ("a", "b", "c"), ("u", "v"), "here")


def test_differences_are_those_of_each_episode():
    data = frames()
    found = data.action_differences(3)
    for begin, end in ((0, 12), (12, 30)):
        # As if the first action had been given ever since.
        long = np.concatenate(
            [np.repeat(data.actions[begin : begin + 1], 3, 0), data.actions[begin:end]]
        )
        for order, values in enumerate(found):
            want = np.diff(long, n=order, axis=0)[3 - order :]
            np.testing.assert_allclose(values[begin:end], want, atol=1e-6)


def test_each_order_is_standardised_by_itself():
    data = frames()
    normaliser = Normaliser.fit(data, np.array([0, 1]), history=3)
    _, actions = normaliser(data)
    assert actions.shape == (30, 6)
    np.testing.assert_allclose(actions.std(0), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(actions[:, :2], Normaliser.fit(data, np.array([0, 1]))(data)[1])


def test_another_robot_is_refused_by_its_own_width():
    normaliser = Normaliser.fit(frames(), np.array([0, 1]), history=3)
    wide = frames()
    actions, names = np.hstack([wide.actions] * 3), ("u", "v") * 3
    wide = replace(wide, actions=actions, action_columns=names, source="there")
    with pytest.raises(
        InputError, match="there: has 6 action columns, the checkpoint was trained on 2"
    ):
        normaliser(wide)
