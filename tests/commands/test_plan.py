"""`plan` as a person runs it: a model of the arm that has hardly been trained, for very few frames."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from commandline import FLAGS, call, done, refused
from gyrax._errors import InputError
from gyrax.data.lerobot.folder import DEFAULT_FOLDER, open_folder
from gyrax.data.lerobot.proprioception import ACTION, ENVIRONMENT, STATE
from gyrax.data.lerobot.writer import write_folder
from gyrax.envs.bridge import Bridge
from gyrax.planning.assignment import robot_in

pytest.importorskip("gymnasium")
pytest.importorskip("mujoco")

ARM = "gyrax/ArmPush-v0"
SMALL = ("--goal-frames", 12, "--frames", 15, "--samples", 4, "--iterations", 1, "--plan-horizon", 4,
         "--knots", 2)  # fmt: skip


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """A folder with the first default episodes, and a run trained on it."""
    base, source = tmp_path_factory.mktemp("arm"), open_folder(DEFAULT_FOLDER)
    keys = STATE, ENVIRONMENT, ACTION
    write_folder(
        base / "data",
        robot="arm",
        fps=source.fps,
        features={key: source.features[key] for key in keys},
        episodes=((source.read(episode, keys), "push") for episode in range(3)),
    )
    run = base / "run"
    flags = ("--phase1-epochs", 1, "--phase2-epochs", 1, "--phase3-epochs", 0)
    done("train", "--phase", "all", *FLAGS, *flags, "--data", base / "data", "--out", run)
    return base / "data", run


def test_rows_page_and_a_missing_back_end(arm, tmp_path, monkeypatch):
    """Without OpenGL all is as with it but the pictures, and that is said once."""

    def broken(bridge):
        raise InputError("no OpenGL renders offscreen here")

    monkeypatch.setattr(Bridge, "render", broken)
    data, run = arm
    result = call(
        "plan", "--checkpoint", run, "--data", data, "--episodes", 2, "--against", "hold,servo,replay",
        *SMALL, "--json", "--video", tmp_path / "films",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    report = json.loads(result.stdout)
    assert report["env"] == ARM and not report["interrupted"] and report["absent"] == {}
    assert list(report["rows"]) == ["gyrax", "hold", "servo", "replay"]
    for name, row in report["rows"].items():
        assert 0 <= row["low"] <= row["success"] <= row["high"] <= 1 and row["count"] == 2
        assert row["success"] <= row["ever"] and row["final_distance"] >= 0
        assert list(row["groups"]) == ["*.pos", "*.vel", "gripper_pose.*", "cube_pose.*"]
        solved = [name in pair["solved_by"] for pair in report["pairs"]]
        assert np.mean(solved) == row["success"]
    # Pairs are such that the goal moves by more than it takes to be there.
    assert report["rows"]["hold"]["success"] == 0 and report["rows"]["replay"]["success"] == 1
    assert report["rows"]["replay"]["groups"]["cube_pose.*"] == 1
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]
    assert len({(p["seed"], p["episode"], p["frame"]) for p in report["pairs"]}) == 2

    assert result.stderr.count("no OpenGL renders offscreen here") == 1
    page = (run / "plan" / "report.html").read_text()
    assert page.count("<polyline") == 2 and "data:image/jpeg" not in page
    assert page.count("data:image/png") == 1 and "http" not in page
    for pair in report["pairs"]:
        assert re.search(
            rf"<td>{pair['seed']}</td><td>{pair['episode']}</td><td>{pair['frame']}<", page
        )
    assert json.loads((run / "plan" / "report.json").read_text()) == report
    assert (run / "plan" / "figure.png").stat().st_size > 10_000
    assert not (tmp_path / "films").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--env", "Nowhere-v0"), "there is no environment 'Nowhere-v0'"),
        (("--env", "CartPole-v1"), "CartPole-v1: its actions are Discrete"),
        (("--env", "Pendulum-v1"), r"Pendulum-v1: has 3 features, .* was trained on 8"),
        (("--env-args", "[1]"), r"--env-args is '\[1\]'"),
        (("--env-args", "{"), "--env-args is '{'"),
        (("--env-args", '{"cubes": 9}'), "cubes is 9"),
        (("--samples", 0), "--samples is 0"),
        (("--episodes", 0), "--episodes is 0"),
        (("--against", "hold,luck"), "--against: there is no row 'luck'"),
        (("--planner", "luck"), "--planner is 'luck'"),
        (("--objective", "luck"), "--objective is 'luck'"),
    ],
)
def test_mistakes(trained, flags, says):
    """The run is of data that is not the arm's: no environment here fits it."""
    refused("plan", "--checkpoint", trained.out, "--episodes", 1, *flags, says=says)


def test_films_are_not_overwritten(tmp_path):
    """It is said before anything else is looked at."""
    for suffix in (".mp4", ".gif"):
        (tmp_path / f"failure_2{suffix}").write_text("mine")
    command = ("plan", "--checkpoint", tmp_path / "nothing", "--video")
    refused(*command, tmp_path, says=r"failure_2\.\w+ is there")
    refused(*command, tmp_path / "failure_2.gif", says="failure_2.gif, which is a file")


@pytest.mark.parametrize(
    ("columns", "actions", "says"),
    [
        (("a.x", "a.y"), ("a.x", "b.x"), "has 2 features, run was trained on 1"),
        (("a.x",), ("a.x", "b.x"), "has 2 actions, run was trained on 1"),
        (("b.x",), ("a.x",), "has 'b.x' among its features where run was trained on 'a.x'"),
    ],
)
def test_another_robot(columns, actions, says):
    bridge: Bridge = SimpleNamespace(id="Env", columns=columns, action_columns=actions)  # type: ignore
    names = ("observation.state.a.x",), ("action.a.x",)
    meta = SimpleNamespace(columns=names[0], action_columns=names[1])
    with pytest.raises(InputError, match=f"Env: {says}"):
        robot_in(bridge, SimpleNamespace(meta=meta, path="run"))  # type: ignore
