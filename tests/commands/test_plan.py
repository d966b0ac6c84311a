"""`plan` as a person runs it, in a small world that needs neither MuJoCo nor OpenGL."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from commandline import call, refused

pytest.importorskip("gymnasium")

from gyrax.data.frames import load_frames
from gyrax.runtime.films import film_suffix
from tiny_world import ID, seen

SMALL = ("--goal-frames", 12, "--frames", 24, "--samples", 4, "--iterations", 1, "--plan-horizon", 5,
         "--knots", 2)  # fmt: skip
GROUPS = ["observation.state.*", "tip.*", "observation.environment_state.*"]


def test_rows_page_and_films(trained, tiny_folder, tmp_path):
    run, films = tmp_path / "run", tmp_path / "films"
    shutil.copytree(trained.out, run)
    result = call(
        "plan", "--checkpoint", run, "--data", tiny_folder, "--env", ID, "--episodes", 2,
        "--against", "hold,servo,replay", *SMALL, "--json", "--video", films,
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    report = json.loads(result.stdout)
    assert report["env"] == ID and not report["interrupted"] and report["absent"] == {}
    assert list(report["rows"]) == ["gyrax", "hold", "servo", "replay"]
    for name, row in report["rows"].items():
        assert 0 <= row["low"] <= row["success"] <= row["high"] <= 1 and row["count"] == 2
        assert row["success"] <= row["ever"] and row["final_distance"] >= 0
        assert list(row["groups"]) == GROUPS
        solved = [name in pair["solved_by"] for pair in report["pairs"]]
        assert np.mean(solved) == row["success"]
    # Pairs are such that the goal moves by more than it takes to be there.
    assert report["rows"]["hold"]["success"] == 0 and report["rows"]["replay"]["success"] == 1
    assert report["rows"]["replay"]["groups"][GROUPS[2]] == 1
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]
    assert len({(p["seed"], p["episode"], p["frame"]) for p in report["pairs"]}) == 2

    page = (run / "plan" / "report.html").read_text()
    assert page.count("<polyline") == 2 and page.count("data:image/png") == 1 and "http" not in page
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        for text in re.findall(r"data:image/jpeg;base64,([\w+/=]+)", page)
    ]
    # Start, goal, end, the film of nine pictures, and the goal again: of two cases.
    assert [p.shape[1] // 240 for p in pictures] == 2 * [1, 1, 1, 9, 1]
    assert seen(pictures[0]) == seen(pictures[3][:, :240])
    told = [line for line in result.stderr.splitlines() if line.startswith("video: ")]
    assert len(told) == len(list(films.iterdir())) == 2
    for line, file in zip(sorted(told), sorted(films.iterdir()), strict=True):
        assert str(file) in line and file.suffix == film_suffix() and file.stat().st_size > 500
    for pair in report["pairs"]:
        assert re.search(
            rf"<td>{pair['seed']}</td><td>{pair['episode']}</td><td>{pair['frame']}<", page
        )
    assert json.loads((run / "plan" / "report.json").read_text()) == report
    assert (run / "plan" / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--env", "Nowhere-v0"), "there is no environment 'Nowhere-v0'"),
        (("--env", "CartPole-v1"), "CartPole-v1: its actions are Discrete"),
        (("--env", "Pendulum-v1"), r"Pendulum-v1: has 3 features, .* was trained on 8"),
        (("--env", ID, "--env-args", '{"actions": 4}'), r"has 4 actions, .* was trained on 6"),
        (("--env-args", "[1]"), r"--env-args is '\[1\]'"),
        (("--env-args", "{"), "--env-args is '{'"),
        (("--env", ID, "--env-args", '{"cubes": 9}'), f"{ID}: could not be made with .*cubes"),
        (("--env", ID, "--goal", "cube.*"), "--goal: no feature is called 'cube.*'"),
        (("--samples", 0), "--samples is 0"),
        (("--episodes", 0), "--episodes is 0"),
        (("--against", "hold,luck"), "--against: there is no row 'luck'"),
        (("--planner", "luck"), "--planner is 'luck'"),
        (("--objective", "luck"), "--objective is 'luck'"),
    ],
)
def test_mistakes(trained, flags, says):
    refused("plan", "--checkpoint", trained.out, "--episodes", 1, *flags, says=says)


def test_time_that_was_not_trained_is_no_objective(trained, tiny_folder):
    command = ["plan", "--checkpoint", trained.out, "--data", tiny_folder, "--env", ID, *SMALL]
    says = "--objective is reach, but .* was trained without --w-reach"
    refused(*command, "--objective", "reach", says=says)


def test_films_are_not_overwritten(tmp_path):
    """It is said before anything else is looked at."""
    for suffix in (".mp4", ".gif"):
        (tmp_path / f"failure_2{suffix}").write_text("mine")
    command = ("plan", "--checkpoint", tmp_path / "nothing", "--video")
    refused(*command, tmp_path, says=r"failure_2\.\w+ is there")
    refused(*command, tmp_path / "failure_2.gif", says="failure_2.gif, which is a file")


def test_what_plans_do_is_recorded(trained, tiny_folder, tmp_path):
    """Towards one goal after the other, within the bounds, the same for the same seed."""
    flags = ("--env", ID, "--policy", "planner", "--checkpoint", trained.out, "--data", tiny_folder,
             "--episodes", 2, "--frames", 33)  # fmt: skip
    for name in ("one", "two"):
        result = call("collect", *flags, "--out", tmp_path / name)
        assert result.exit_code == 0, (result.output, result.exception)
    one, two = (load_frames(tmp_path / name) for name in ("one", "two"))
    assert one.episodes == 2 and one.columns == load_frames(tiny_folder).columns
    np.testing.assert_array_equal(one.actions, two.actions)
    assert np.abs(one.actions).max() <= 1 and np.abs(np.diff(one.actions, axis=0)).max() > 0.01
    refused(
        "collect",
        "--env",
        ID,
        "--policy",
        "planner",
        "--out",
        tmp_path / "three",
        says="--checkpoint",
    )


def test_policies_that_are_fitted_and_a_linear_forecaster(trained, tiny_folder, tmp_path):
    """And why a row cannot be; the second time nothing is fitted."""
    run = shutil.copytree(trained.out, tmp_path / "run")
    there = set((run / "baselines").glob("*"))  # of other tests, whose run it is
    names = ["cloning", "inverse_dynamics", "ridge", "oracle", "random"]
    flags = ("--checkpoint", run, "--data", tiny_folder, "--env", ID, "--episodes", 1,
             "--against", ",".join(names), *SMALL, "--json")  # fmt: skip
    results = [call("plan", *flags) for _ in range(2)]
    assert all(result.exit_code == 0 for result in results), results[0].exception
    first, second = (json.loads(result.stdout) for result in results)
    assert set(first["rows"]) | set(first["absent"]) == {"gyrax", *names}
    assert "no episode is long enough" not in str(first["absent"])
    for name, row in first["rows"].items():
        assert row["final_distance"] == second["rows"][name]["final_distance"], name
    assert len(set((run / "baselines").iterdir()) - there) == 2
