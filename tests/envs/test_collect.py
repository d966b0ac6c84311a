"""Recording an environment: what is in the folder, where its chance comes from, and what is refused."""

import filecmp
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commandline import call, done, refused
from gyrax.data.lerobot.folder import open_folder
from gyrax.data.lerobot.video import Camera
from gyrax.envs.bridge import Bridge
from gyrax.envs.collect import SHORTEST, record
from gyrax.envs.policies import RandomPolicy

gymnasium: Any = pytest.importorskip("gymnasium")

KEYS = ("observation.state", "action")


def same(one: Path, other: Path) -> bool:
    files = {p.relative_to(one) for p in one.rglob("*") if p.is_file()}
    assert files and files == {p.relative_to(other) for p in other.rglob("*") if p.is_file()}
    return all(filecmp.cmp(one / file, other / file, shallow=False) for file in files)


def test_the_folder_says_what_the_environment_did(tmp_path: Path):
    """The recorded actions, taken in Gymnasium's own environment, lead through the recorded states."""
    flags = ("--env", "Pendulum-v1", "--episodes", 2, "--seed", 3, "--frames", 40)
    printed = done("collect", *flags, "--out", tmp_path / "a")
    assert "2 episodes of Pendulum-v1" in printed and "20 frames a second" in printed
    folder = open_folder(tmp_path / "a")
    assert (folder.fps, [e.length for e in folder.episodes]) == (20.0, [40, 40])
    assert folder.features["observation.state"].names == tuple(f"observation.{i}" for i in range(3))
    env, spread = gymnasium.make("Pendulum-v1"), []
    for episode in folder.episodes:
        columns = folder.read(episode.index, KEYS)
        state, action = (columns[key] for key in KEYS)
        env.reset()
        angle = np.arctan2(state[0, 1], state[0, 0]).astype(np.float64)
        env.unwrapped.state = np.array([angle, state[0, 2]], np.float64)
        stepped = [env.step(torque)[0] for torque in action[:-1]]
        np.testing.assert_allclose(stepped, state[1:], atol=2e-4)
        spread.append(action.std())
    assert min(spread) > 0.3
    assert done("collect", *flags, "--out", tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")


def test_a_shorter_run_gives_the_first_episodes():
    bridge = Bridge.make("Pendulum-v1")
    one = next(record(bridge, RandomPolicy(), episodes=1, seed=5, frames=32))
    first, second = record(bridge, RandomPolicy(), episodes=2, seed=5, frames=32)
    assert all(np.array_equal(one.columns[key], first.columns[key]) for key in KEYS)
    assert not np.allclose(first.columns["action"], second.columns["action"])


class EndsEarly(gymnasium.Env):
    """Ends after as many frames as its seed draws; it observes that number and the frame, which is also
    the brightness of its picture."""

    metadata = {"render_fps": 10, "render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 1e3, (2,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def __init__(self, longest: int = 60, render_mode: str | None = None):
        self.longest, self.render_mode = longest, render_mode

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.frame, self.end = 0, int(self.np_random.integers(1, self.longest))
        return np.array([0, self.end], np.float32), {}

    def step(self, action: Any) -> Any:
        self.frame += 1
        ended = self.frame == self.end
        return np.array([self.frame, self.end], np.float32), 0.0, ended, False, {}

    def render(self) -> Any:
        picture = np.full((33, 48, 3), 4 * self.frame, np.uint8)  # one row more than a codec takes
        picture[:, :24, 0] = 4 * self.end
        return picture


@pytest.fixture
def early() -> Any:
    gymnasium.register("EndsEarly-v0", EndsEarly)
    yield "EndsEarly-v0"
    del gymnasium.registry["EndsEarly-v0"]


def test_episodes_end_where_the_environment_ends_them(early: str, tmp_path: Path):
    """Those that end before frame 32 are not kept, and the others are whole; each has another seed."""
    out = tmp_path / "data"
    printed = done("collect", "--env", early, "--episodes", 6, "--out", out)
    assert "ended before frame 32: " in printed
    folder = open_folder(out)
    ends = []
    for episode in folder.episodes:
        state = folder.read(episode.index, KEYS)["observation.state"]
        ends.append(int(state[0, 1]))
        assert len(state) == ends[-1] >= SHORTEST
        assert state[:, 0].tolist() == list(range(ends[-1]))
    assert len(ends) == 6 and len(set(ends)) > 2
    hopeless = ("--env-args", '{"longest": 20}', "--out", tmp_path / "none")
    refused(
        "collect", "--env", early, *hopeless, says="100 episodes in a row ended before frame 32"
    )
    assert list(tmp_path.iterdir()) == [out]


def test_pictures_are_those_of_the_frames(early: str, tmp_path: Path):
    """Each decoded frame has the brightness of its frame and of its episode's end, in our own reader."""
    pytest.importorskip("av")
    done("collect", "--env", early, "--episodes", 3, "--video", "--out", tmp_path / "data")
    folder = open_folder(tmp_path / "data")
    camera = Camera(folder, "observation.images.front")
    assert (camera.height, camera.width) == (32, 48)
    for episode in folder.episodes:
        state = folder.read(episode.index, KEYS)["observation.state"]
        pictures = np.stack(list(camera.frames(episode.index))).astype(float)
        assert len(pictures) == episode.length
        assert np.abs(pictures[:, :, 30:, 1].mean((1, 2)) - 4 * state[:, 0]).max() < 2
        assert np.abs(pictures[:, :, :18, 0].mean((1, 2)) - 4 * state[:, 1]).max() < 4
    statistics = json.loads((tmp_path / "data/meta/stats.json").read_text())
    green = np.array(statistics["observation.images.front"]["mean"])[1, 0, 0]
    states = [folder.read(e.index, KEYS)["observation.state"][:, 0] for e in folder.episodes]
    assert green == pytest.approx(4 * np.concatenate(states).mean() / 255, abs=1e-6)
    refused(
        "collect", "--env", "Pendulum-v1", "--env-args", '{"render_mode": null}', "--video",
        "--out", tmp_path / "none", says="Pendulum-v1: renders no pictures|render failed",
    )  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    acted: list[int] = []

    def act(self: RandomPolicy, features: np.ndarray) -> np.ndarray:
        acted.append(1)
        if len(acted) == 50:  # in the second episode
            raise KeyboardInterrupt
        return np.zeros(1)

    monkeypatch.setattr(RandomPolicy, "act", act)
    flags = ("--env", "Pendulum-v1", "--episodes", 3, "--frames", 32)
    assert call("collect", *flags, "--out", tmp_path / "data").exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_the_arm_by_its_script_is_what_simulate_data_writes(tmp_path: Path):
    pytest.importorskip("mujoco")
    numbers = ("--episodes", 1, "--seed", 2)
    done("simulate-data", *numbers, "--cubes", 2, "--out", tmp_path / "a")
    arm = ("--env", "gyrax/ArmPush-v0", "--env-args", '{"cubes": 2}', "--policy", "scripted")
    done("collect", *arm, *numbers, "--out", tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--episodes", "0"], "--episodes is 0; give 1 or more"),
        (["--seed", "-1"], "--seed is -1"),
        (["--frames", "31"], "--frames is 31; give 32 or more"),
        (["--policy", "clever"], "--policy is 'clever'; give one of random, scripted"),
        (["--policy", "scripted"], "Pendulum-v1 has no policy of its own"),
        (["--env-args", "[1]"], r"--env-args is '\[1\]', not a JSON object"),
        (["--env-args", "{cubes: 2}"], "not a JSON object.*line 1"),
        (["--env-args", '{"mass": 2}'], "could not be made with .*mass"),
        (["--env", "Nothing-v0"], "no environment 'Nothing-v0'"),
    ],
)
def test_mistakes(tmp_path: Path, flags: list[str], says: str):
    refused("collect", "--env", "Pendulum-v1", "--out", tmp_path / "d", *flags, says=says)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_stays(tmp_path: Path):
    (tmp_path / "mine").write_text("precious")
    refused("collect", "--env", "Pendulum-v1", "--out", tmp_path, says="not an empty folder")
    assert (tmp_path / "mine").read_text() == "precious"
