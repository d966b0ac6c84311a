"""The data set that comes with the package, and the simulation that made it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.lerobot.folder import DEFAULT_FOLDER, LeRobotFolder, open_folder
from gyrax.envs.arm import features, kinematics, simulate_episodes, write_simulated
from gyrax.envs.arm.kinematics import JOINTS, LOWER, UPPER, reach, tip_position

STATE, ENVIRONMENT, ACTION = "observation.state", "observation.environment_state", "action"
KEYS = (STATE, ENVIRONMENT, ACTION)
WIDTHS = {STATE: 6, ENVIRONMENT: 20, ACTION: 6}
FEATURES = features()
VELOCITY, GRIPPER, CUBE = slice(0, 6), slice(6, 13), slice(13, 20)


@pytest.fixture(scope="module")
def folder() -> LeRobotFolder:
    return open_folder(DEFAULT_FOLDER)


@pytest.fixture(scope="module")
def episodes(folder: LeRobotFolder) -> list[dict[str, np.ndarray]]:
    return [folder.read(episode.index, KEYS) for episode in folder.episodes]


def test_size():
    files = [path for path in DEFAULT_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 4_000_000
    assert not [path for path in files if path.suffix not in (".json", ".parquet")]


def test_metadata(folder: LeRobotFolder):
    assert (folder.version, folder.fps, len(folder.episodes)) == ("v3.0", 30.0, 100)
    assert all(250 <= episode.length <= 350 for episode in folder.episodes)
    assert len({episode.length for episode in folder.episodes}) > 30
    assert 2 <= len(folder.tasks) <= 3
    assert {key: folder.features[key] for key in KEYS} == FEATURES
    state, environment = folder.features[STATE].names, folder.features[ENVIRONMENT].names
    assert state == tuple(f"{joint}.pos" for joint in JOINTS)
    assert environment is not None
    assert len(set(environment)) == 20


def test_shapes(folder: LeRobotFolder, episodes: list[dict[str, np.ndarray]]):
    for episode, columns in zip(folder.episodes, episodes, strict=True):
        for key, values in columns.items():
            assert values.shape == (episode.length, WIDTHS[key])
            assert np.isfinite(values).all()


def test_the_state_follows_the_targets(episodes: list[dict[str, np.ndarray]]):
    """A target given at frame t is where the joint is three frames later, not where it already is."""

    def error(lag: int) -> np.ndarray:
        pairs = [(e[ACTION][: len(e[ACTION]) - lag], e[STATE][lag:]) for e in episodes]
        return np.sqrt(np.mean(np.concatenate([a - s for a, s in pairs]) ** 2, axis=0))

    assert (error(3) < 0.02).all()
    assert (error(0) > 3 * error(3)).all()
    assert (error(6) > 3 * error(3)).all()
    spread = np.concatenate([e[STATE] for e in episodes]).std(axis=0)
    assert (spread > 0.1).all()


def test_the_motion_is_smooth_and_in_range(episodes: list[dict[str, np.ndarray]]):
    for columns in episodes:
        state, velocity = columns[STATE], columns[ENVIRONMENT][:, VELOCITY]
        assert (state > LOWER - 0.05).all()
        assert (state < UPPER + 0.05).all()
        assert (columns[ACTION] >= LOWER).all()
        assert (columns[ACTION] <= UPPER).all()
        assert np.abs(velocity).max() < 5.0
        # Simpson's rule: the velocities add up to the way, but for their ripple within a frame.
        way = (velocity[:-2] + 4 * velocity[1:-1] + velocity[2:]) / 90
        wrong = np.sqrt(np.mean((state[2:] - state[:-2] - way) ** 2))
        assert wrong < 0.08 * np.sqrt(np.mean(way**2))


def test_the_gripper_is_where_the_joints_put_it(episodes: list[dict[str, np.ndarray]]):
    for columns in episodes:
        tip = tip_position(columns[STATE].astype(np.float64))
        np.testing.assert_allclose(columns[ENVIRONMENT][:, GRIPPER][:, :3], tip, atol=1e-5)


def test_quaternions(episodes: list[dict[str, np.ndarray]]):
    for columns in episodes:
        for pose in (GRIPPER, CUBE):
            quaternions = columns[ENVIRONMENT][:, pose][:, 3:]
            np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1.0, atol=1e-5)
            assert (np.sum(quaternions[1:] * quaternions[:-1], axis=1) > 0.9).all()
            assert quaternions[0, 0] >= 0


def test_the_cube_is_pushed_and_stays_on_the_table(episodes: list[dict[str, np.ndarray]]):
    moved = 0
    for columns in episodes:
        cube = columns[ENVIRONMENT][:, CUBE][:, :3]
        moved += bool(np.linalg.norm(cube - cube[0], axis=1).max() > 0.02)
        assert (np.abs(cube[:, 2] - 0.02) < 0.002).all()
        assert (np.hypot(cube[:, 0], cube[:, 1]) < 0.4).all()
        assert (np.linalg.norm(np.diff(cube, axis=0), axis=1) < 0.03).all()
    assert 75 <= moved < 100


def test_inverse_kinematics():
    rng, solved = np.random.default_rng(0), 0
    for _ in range(100):
        tip = np.array([*rng.uniform(-0.3, 0.3, 2), rng.uniform(0.02, 0.3)])
        joints = reach(tip, rng.uniform(0.0, 1.4), 0.3, 0.5)
        if joints is not None:
            solved += 1
            np.testing.assert_allclose(tip_position(joints), tip, atol=1e-12)
            assert joints[4:].tolist() == [0.3, 0.5]
    assert solved > 20
    for far in (0.5, 0.4098):  # out of reach, and all but stretched
        assert reach(np.array([far, 0.0, 0.12]), 0.0, 0.0, 0.0) is None


class TestSimulation:
    """What needs MuJoCo and Gymnasium."""

    @pytest.fixture(autouse=True)
    def _mujoco(self) -> None:
        pytest.importorskip("mujoco")
        pytest.importorskip("gymnasium")

    def test_it_made_the_default_data(self, folder: LeRobotFolder, episodes: list):
        for number, (columns, task) in enumerate(simulate_episodes(2, 0)):
            assert folder.episodes[number].tasks == (task,)
            assert folder.episodes[number].length == len(columns[ACTION])
            for key, tolerance in ((STATE, 1e-6), (ACTION, 1e-6), (ENVIRONMENT, 1e-4)):
                first = episodes[number][key][:30]
                np.testing.assert_allclose(columns[key][:30], first, rtol=0, atol=tolerance)

    def test_a_shorter_run_gives_the_first_episodes(self):
        (one, task), (first, first_task), (second, _) = (
            *simulate_episodes(1, 7),
            *simulate_episodes(2, 7),
        )
        assert task == first_task
        assert all(np.array_equal(one[key], first[key]) for key in KEYS)
        assert not np.array_equal(first[ACTION][:30], second[ACTION][:30])

    def test_another_seed_gives_other_episodes(self, episodes: list):
        columns, _ = next(simulate_episodes(1, 1))
        assert not np.allclose(columns[ACTION][:30], episodes[0][ACTION][:30], atol=1e-2)

    def test_cubes_lie_apart_on_the_table_and_each_is_pushed(self):
        """Columns for each cube, none inside another, and over some episodes all of them move."""
        names = features(3)[ENVIRONMENT].names
        assert names is not None and len(names) == 34 and names[-1] == "cube3_pose.qz"
        pushed = np.zeros(3, bool)
        for columns, _ in simulate_episodes(6, 4, cubes=3):
            poses = columns[ENVIRONMENT][:, 13:].reshape(-1, 3, 7)
            np.testing.assert_allclose(np.linalg.norm(poses[..., 3:], axis=-1), 1.0, atol=1e-5)
            assert np.all(poses[0, :, 2] == pytest.approx(0.02, abs=2e-3))
            for one, other in ((0, 1), (0, 2), (1, 2)):
                gaps = np.linalg.norm(poses[:, one, :3] - poses[:, other, :3], axis=-1)
                assert gaps[0] > 0.06 and gaps.min() > 0.037
            pushed |= np.ptp(poses[..., :2], axis=0).max(axis=-1) > 0.02
        assert pushed.all()

    def test_the_model_has_the_ranges_of_the_kinematics(self):
        mujoco: Any = pytest.importorskip("mujoco")
        file = Path(kinematics.__file__).with_name("arm.xml")
        model = mujoco.MjModel.from_xml_path(str(file))
        assert [model.joint(i).name for i in range(6)] == list(JOINTS)
        for found in (model.jnt_range[:6], model.actuator_ctrlrange):
            np.testing.assert_allclose(found, np.stack([LOWER, UPPER], axis=1), rtol=1e-12)

    def test_write(self, tmp_path: Path):
        told: list[int] = []
        write_simulated(tmp_path / "new", episodes=2, seed=3, progress=told.append)
        assert told == [1, 2]
        folder = open_folder(tmp_path / "new")
        simulated: Iterator = simulate_episodes(2, 3)
        for episode, (columns, task) in zip(folder.episodes, simulated, strict=True):
            assert episode.tasks == (task,)
            found = folder.read(episode.index, KEYS)
            assert all(np.array_equal(found[key], columns[key]) for key in KEYS)

    @pytest.mark.parametrize(
        ("episodes", "seed", "cubes"), [(0, 0, 1), (-1, 0, 1), (1, -1, 1), (1, 0, 0), (1, 0, 5)]
    )
    def test_numbers_that_make_no_sense(self, tmp_path: Path, episodes: int, seed: int, cubes: int):
        match = f"episodes is {episodes}, seed is {seed} and cubes is {cubes}"
        with pytest.raises(InputError, match=match):
            write_simulated(tmp_path / "new", episodes=episodes, seed=seed, cubes=cubes)
        assert list(tmp_path.iterdir()) == []


def test_without_mujoco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(InputError, match=r"pip install 'gyrax\[sim\]'"):
        write_simulated(tmp_path / "new", episodes=1)
    assert list(tmp_path.iterdir()) == []
