"""Columns that are constant over the training episodes are left out of what the model sees."""

from dataclasses import replace

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.normaliser import Normaliser
from gyrax.data.store import Frames

TRAIN, TEST = np.array([0, 1]), np.array([2])
EVERYWHERE = slice(None)
ROWS = {"in training": slice(0, 30), "everywhere": EVERYWHERE}
A, B, C = ("a", "b", "c"), ("u", "v"), np.array([0, 12, 30, 45])


def of(features, actions):
    return Frames(features, actions, C, A, B, "here")


def frames(feature=None, action=None):
    """Three episodes in which `b` and `v` are held over some rows at a value, here 0.1 and -7, if asked."""
    rng = np.random.default_rng(0)
    features, actions = rng.normal(size=(45, 3)), rng.normal(size=(45, 2))
    features[:, 2] *= 1e-3  # below the noise floor, which is a share of the median
    if feature is not None:
        features[feature, 1] = 0.1
    if action is not None:
        actions[action, 1] = -7.0
    return of(features.astype(np.float32), actions.astype(np.float32))


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_constant_feature_is_as_if_it_were_not_there(rows):
    data = frames(feature=rows)
    without = replace(data, features=np.delete(data.features, 1, axis=1), columns=("a", "c"))
    x, _ = Normaliser.fit(data, TRAIN)(data)
    np.testing.assert_array_equal(x, Normaliser.fit(without, TRAIN)(without)[0])


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_constant_action_and_its_differences_are_zero(rows):
    data = frames(action=rows)
    normaliser = Normaliser.fit(data, TRAIN, history=3)
    _, actions = normaliser(data)
    assert actions.shape == (45, 6) and not actions[:, 1::2].any()
    np.testing.assert_allclose(actions[:30, ::2].std(0), 1.0, rtol=1e-5)


def test_differences_may_be_constant_where_the_action_is_not():
    """A gripper that is open in one episode and closed in the next."""
    data = frames()
    data.actions[:] = np.repeat([0, 1, 1], np.diff(C))[:, None]
    normaliser = Normaliser.fit(data, TRAIN, history=2)
    _, actions = normaliser(data)
    np.testing.assert_allclose(actions[:30, :2].std(0), 1.0, rtol=1e-5)
    assert not actions[:, 2:].any() and normaliser.left_out(data) == []


def test_features_are_restored_in_full_width():
    data = frames(feature=ROWS["everywhere"])
    normaliser = Normaliser.fit(data, TRAIN)
    x, _ = normaliser(data)
    full = normaliser.restored(x.reshape(9, 5, 2)).reshape(45, 3)
    np.testing.assert_allclose(full, data.features, atol=1e-6)
    np.testing.assert_array_equal(full[:, 1], data.features[:, 1])


def test_constant_columns_are_named_and_those_that_move_elsewhere():
    held, moves = (frames(rows, rows) for rows in (ROWS["everywhere"], ROWS["in training"]))
    for data, names in ((held, []), (moves, ["b", "v"])):
        normaliser = Normaliser.fit(data, TRAIN, history=2)
        assert normaliser.left_out(data) == ["b", "v"]
        assert normaliser.moving(data, TEST) == names
        assert normaliser.moving(data, TRAIN) == []
    elsewhere = replace(held, features=held.features + np.float32(1.0))
    assert Normaliser.fit(held, TRAIN).moving(elsewhere, TEST) == ["b"]  # still, but not there


@pytest.mark.parametrize(("what", "name"), [("feature", "features"), ("action", "actions")])
def test_nothing_that_varies_is_refused(what, name):
    data = replace(frames(), **{name: np.ones_like(getattr(frames(), name))})
    says = f"^here: every {what} column is constant over the training episodes; give a data set"
    with pytest.raises(InputError, match=says):
        Normaliser.fit(data, TRAIN)


def test_widths_are_those_that_were_recorded():
    normaliser = Normaliser.fit(frames(feature=EVERYWHERE), TRAIN)
    narrow = replace(frames(), features=frames().features[:, ::2], columns=("a", "c"))
    with pytest.raises(InputError, match="has 2 features, the checkpoint was trained on 3"):
        normaliser(narrow)
