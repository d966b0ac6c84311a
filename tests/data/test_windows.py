"""Splits are disjoint, complete and the same every time; windows never leave their episode."""

from dataclasses import replace

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.store import Frames
from gyrax.data.windows import make_windows, split_episodes

CONTEXT, HORIZON = 2, 3


def of_lengths(*lengths):
    """A data set with episodes of these lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(offsets[-1], dtype=np.float32)[:, None]
    return Frames(values, values, offsets, ("x",), ("u",), "here")


@pytest.mark.parametrize(
    ("count", "fraction", "share"), [(100, 0.1, 10), (100, 0.2, 20), (7, 0.4, 3), (3, 0.45, 1)]
)
def test_splits_are_disjoint_and_of_the_asked_size(count, fraction, share):
    parts = split_episodes(count, fraction)
    assert (len(parts["val"]), len(parts["test"])) == (share, share)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    again = split_episodes(count, fraction)
    assert all((parts[name] == again[name]).all() for name in parts)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [3, 4, 5, 10, 11])
def test_no_split_is_empty(count, fraction):
    parts = split_episodes(count, fraction)
    assert list(parts) == ["train", "val", "test"] and all(map(len, parts.values()))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_episodes_cannot_be_split(count):
    with pytest.raises(InputError, match=f"has {count} episodes; .* needs at least 3"):
        split_episodes(count)


@pytest.mark.parametrize("padded", [False, True])
def test_windows_are_consecutive_frames_of_one_episode(padded):
    frames = of_lengths(7, 5, 11)
    windows = make_windows(frames, np.array([0, 1, 2]), CONTEXT, HORIZON, padded=padded)
    begin, end = frames.offsets[windows.episode], frames.offsets[windows.episode + 1]
    assert windows.index.shape == (len(windows), CONTEXT + HORIZON)
    assert (windows.index >= begin[:, None]).all() and (windows.index < end[:, None]).all()
    # What goes past the end repeats the last frame, and is masked; the context never does.
    first = windows.index[:, :1]
    ahead = first + np.arange(CONTEXT + HORIZON)
    np.testing.assert_array_equal(windows.index, np.minimum(ahead, end[:, None] - 1))
    np.testing.assert_array_equal(windows.mask, ahead[:, CONTEXT:] < end[:, None])
    assert (ahead[:, :CONTEXT] < end[:, None]).all() and (windows.mask[:, 0] == 1).all()
    # Every frame that leaves room begins one window.
    room = CONTEXT if padded else CONTEXT + HORIZON - 1
    starts = [
        np.arange(b, e - room) for b, e in zip(frames.offsets, frames.offsets[1:], strict=False)
    ]
    np.testing.assert_array_equal(first[:, 0], np.concatenate(starts))
    assert padded or (windows.mask == 1).all()


def test_only_the_given_episodes_give_windows():
    windows = make_windows(of_lengths(7, 5, 11), np.array([2, 0]), CONTEXT, HORIZON, padded=False)
    assert windows.episode.tolist() == [2] * 7 + [0] * 3
    assert windows.index[0].tolist() == [12, 13, 14, 15, 16]


def test_an_episode_of_one_window():
    frames, episode = of_lengths(7, 5), np.array([1])
    whole = make_windows(frames, episode, CONTEXT, HORIZON, padded=False)
    assert whole.index.tolist() == [[7, 8, 9, 10, 11]] and whole.mask.tolist() == [[1, 1, 1]]
    padded = make_windows(frames, episode, CONTEXT, HORIZON, padded=True)
    assert padded.index.tolist() == [
        [7, 8, 9, 10, 11],
        [8, 9, 10, 11, 11],
        [9, 10, 11, 11, 11],
    ]
    assert padded.mask.tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("padded", [False, True])
def test_an_episode_that_is_one_frame_too_short(padded):
    with pytest.raises(
        InputError,
        match=r"here: episode 1 has 4 frames, a window needs 5 .* --sequence-length or leave the episode",
    ):
        make_windows(of_lengths(7, 4), np.array([0, 1]), CONTEXT, HORIZON, padded=padded)


def test_a_digest_tells_data_sets_apart():
    data = of_lengths(7, 5)
    assert data.digest == of_lengths(7, 5).digest and len(data.digest) == 64
    changed = data.features.copy()
    changed[3] += 1
    arrays = (data.features, data.actions, data.offsets)
    others = [
        replace(data, features=changed),
        replace(data, actions=changed),
        of_lengths(5, 7),
        of_lengths(12),
    ]
    assert len({data.digest, *(frames.digest for frames in others)}) == 5
    transposed = [np.asfortranarray(np.hstack([a, a])) for a in arrays[:2]]
    wide = [np.ascontiguousarray(a) for a in transposed]
    names = ("x", "y"), ("u", "v"), "there"
    digests = {Frames(*a, data.offsets, *names).digest for a in (transposed, wide)}
    assert len(digests) == 1
