"""Pictures of closed loop show what happened, and groups of columns are those a person would make."""

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("gymnasium")

from gyrax.envs.bridge import Bridge
from gyrax.evaluation.control.actors import Replay
from gyrax.evaluation.control.closed_loop import LAST, Outcome, run
from gyrax.evaluation.control.groups import column_groups, groups_held
from gyrax.evaluation.control.pairs import Pair, make_pairs
from gyrax.planning.assignment import Judge
from gyrax.report.control_cases import chosen, filmed, make_cases
from gyrax.runtime.films import write_film
from tiny_world import ID, WIDTH, seen

JUDGE = Judge(lambda x, goal: np.asarray(np.linalg.norm((x - goal)[..., 6:8], axis=-1)), 0.1, True)


@pytest.mark.parametrize(
    ("columns", "groups"),
    [
        ("a.pos b.pos c.pos a.vel b.vel c.vel tip.x tip.qw box.x box.qw cup.x",
         {"*.pos": [0, 1, 2], "*.vel": [3, 4, 5], "tip.*": [6, 7], "box.*": [8, 9], "cup.*": [10]}),
        ("observation.0 observation.1 goal.0", {"observation.*": [0, 1], "goal.*": [2]}),
        ("joint height", {"observation.state.*": [0, 1]}),
    ],
)  # fmt: skip
def test_groups(columns, groups):
    found = column_groups([f"observation.state.{name}" for name in columns.split()])
    assert {name: numbers.tolist() for name, numbers in found.items()} == groups


def test_a_group_is_judged_in_standard_deviations_over_all_last_frames():
    columns, std = ["tip.x", "tip.y", "box.x", "box.y", "wall.x"], np.array([1, 10, 1, 1, 0.0])
    frames = np.zeros((3, LAST, 5), np.float32)
    frames[0] = [0.34, 0.9, 0.34, 0.09, 7]  # rms of the tip: sqrt((.34² + .09²) / 2) = .249
    frames[1] = [0.37, 0.0, 0.0, 0.0, 7]
    frames[2, 4, 2] = 3  # for a single frame
    pair = Pair(0, 0, 0, None, frames[0, :1], frames[0, :1], np.zeros(5, np.float32), None)
    flat = np.zeros((3, LAST))
    outcome = Outcome(flat, flat > 0, flat[..., None], frames, np.full(3, LAST))
    held = groups_held(outcome, [pair] * 3, columns, std)
    found = {name: value.tolist() for name, value in held.items()}
    assert found == {"tip.*": [True, False, True], "box.*": [True, True, False]}


@pytest.mark.parametrize(
    ("held", "most", "want"),
    [
        ("110001", 4, [0, 1, 2, 3]),
        ("1111110", 4, [0, 1, 2, 6]),
        ("0001", 3, [0, 1, 3]),
        ("1", 4, [0]),
    ],
)
def test_successes_and_failures_are_shown(held, most, want):
    assert chosen(np.array([c == "1" for c in held]), most) == want


@pytest.fixture(scope="module")
def replayed():
    bridge = Bridge.make(ID)
    pairs, _ = make_pairs(bridge, None, JUDGE, count=2, seed=0, ahead=12, seen=np.zeros((0, 0)))
    *_, outcome = run(Replay(), [bridge], pairs, JUDGE, 24)
    return bridge, pairs, outcome


def test_pictures_show_what_happened(replayed):
    bridge, pairs, outcome = replayed
    cases = make_cases(bridge, pairs, outcome, JUDGE, Console())
    for case, pair in zip(cases, pairs, strict=True):
        assert case.held and [len(case.film), case.every] == [9, 3]
        goal, start, end = pair.goal[6], pair.frames[-1][6], outcome.frames[case.number, -1, 6]
        shown = [seen(p) for p in (case.goal, case.film[0], case.film[-1])]
        np.testing.assert_allclose(shown, [goal, start, end], atol=2 / WIDTH)
        assert case.distance[0] == pytest.approx(np.linalg.norm((pair.frames[-1] - pair.goal)[6:8]))
        assert len(case.distance) == 25


def test_without_pictures_one_line_says_why(replayed):
    _, pairs, outcome = replayed
    console = Console(record=True, width=200, quiet=False)
    cases = make_cases(Bridge.make(ID, {"blind": True}), pairs, outcome, JUDGE, console)
    assert [case.film for case in cases] == [[], []]
    assert console.export_text().count("no pictures: no OpenGL renders offscreen here") == 1


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_films_play_what_was_seen(replayed, tmp_path, suffix):
    bridge, pairs, outcome = replayed
    pictures = list(filmed(bridge, pairs[0], outcome.actions[0], JUDGE))
    file = write_film(iter(pictures), tmp_path / f"film{suffix}", bridge.fps)
    if suffix == ".mp4":
        av = pytest.importorskip("av")
        with av.open(str(file)) as film:
            assert film.streams.video[0].average_rate == bridge.fps == 20
            read = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert len(read) == 25
    else:
        from PIL import Image, ImageSequence

        with Image.open(file) as film:
            assert film.info["duration"] == 50
            read = [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(film)]
    ends = [seen(picture) for picture in (pictures[0], pictures[-1])]
    np.testing.assert_allclose([seen(read[0]), seen(read[-1])], ends, atol=2 / WIDTH)
    assert abs(ends[0] - ends[1]) > 2 / WIDTH
    assert [p.name for p in tmp_path.iterdir()] == [file.name]
