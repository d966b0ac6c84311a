"""What the page of `gyrax view` holds is what the model forecasts and the data say."""

import base64
import importlib.util
import json
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from commandline import done, refused
from gyrax.envs.arm.columns import features
from gyrax.envs.arm.kinematics import JOINTS, LOWER, UPPER, tip_position, tip_quaternion
from gyrax.envs.arm.shapes import arm_bodies, arm_poses, cube_solid, rotation_of
from gyrax.geometry import distance
from gyrax.report.view.packing import packed
from gyrax.report.view.recording import PICTURES, Recording, Sheets
from gyrax.report.view.robot import cubes_of, robot_of
from untrained import arm_frames, untrained

EXAMPLES = Path(__file__).parents[2] / "examples"
SO100 = Path(__file__).parents[1] / "data" / "fixtures" / "so100_tiny_v30"


def unpacked(found):
    whole = np.frombuffer(base64.b64decode(found["data"]), "<i2").astype(float)
    return np.array(found["middle"]) + whole.reshape(-1, len(found["scale"])) * found["scale"]


def content_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r"id=data>(.*?)</script>", text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def viewed(trained, tiny_folder):
    printed = done("view", trained.out, "--data", tiny_folder, "--horizon", 8, "--samples", 0)
    page = trained.out / "view.html"
    assert printed.splitlines()[-1] == f"page: {page}"
    return page


def test_the_page_stands_alone(viewed):
    text = viewed.read_text(encoding="utf-8")
    assert "://" not in re.sub(r"id=data>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"<(link|img|iframe)|src=|@import|url\(|fetch\(|XMLHttp", text)
    assert viewed.stat().st_size < 150_000


def test_the_page_holds_the_data_and_its_forecasts(viewed, trained, tiny_folder):
    from gyrax.data.frames import load_frames
    from gyrax.evaluation.encoded import Encoded
    from gyrax.evaluation.forecasts import forecast
    from gyrax.training.checkpoint import open_checkpoint
    from gyrax.training.dataset import Dataset
    from gyrax.training.trainer import Trained

    content, frames = content_of(viewed), load_frames(tiny_folder)
    own = Trained.of(open_checkpoint(trained.out))
    encoded = Encoded.of(own, Dataset.of(frames, own.settings, own.normaliser))
    (episode,), c = content["episodes"], content["c"]
    assert (episode["number"], episode["length"]) == (encoded.dataset.split["test"][0], 24)
    assert content["horizon"] == 8 and content["fps"] == 30 and content["samples"] == 0
    assert content["actions"] == ["joint_0", "joint_1", "joint_2", "tip.x", "tip.y", "tip.z"]
    span = slice(*frames.offsets[episode["number"] : episode["number"] + 2])
    np.testing.assert_allclose(unpacked(episode["actions"]), frames.actions[span], atol=1e-4)
    # Starts are spread from the first window to the last; each forecast is that of its window.
    assert episode["starts"][0] == content["context"] - 1 and episode["starts"][-1] == 15
    chosen = encoded.windows("test", 8)
    row = episode["starts"][3] - (content["context"] - 1)
    points = forecast(own.system, chosen.take(np.array([row])).window)[0]
    path = unpacked(episode["forecast"]).reshape(-1, 8, 6)[3]
    off = np.linalg.norm(points - np.asarray(chosen.window.target)[row], axis=-1)
    np.testing.assert_allclose(path[:, 5], off, atol=1e-4)
    gap = np.log(1 - c * np.sum(points.astype(float) ** 2, -1))
    np.testing.assert_allclose(path[:, 3], gap, atol=1e-4)
    errors = unpacked(episode["errors"]).reshape(-1, 8, 4)[3]
    want = distance(*map(jnp.asarray, (points, chosen.window.target[row])), c)
    np.testing.assert_allclose(errors[:, 0], want, atol=1e-4)
    truth = unpacked(episode["truth"])
    between = np.linalg.norm(np.diff(encoded.latents.z[span], axis=0), axis=-1)
    np.testing.assert_allclose(truth[1:, 4], between, atol=1e-4)
    assert episode["chart"] == encoded.latents.chart[span].tolist()
    # Features are in the units of the data, and those that are forecast worst.
    names = content["robot"]["names"]
    assert len(names) == 6 and content["robot"]["of"] == 8
    short = [name.split(".", 2)[2] for name in frames.columns]
    seen = frames.features[span][:, [short.index(name) for name in names]]
    np.testing.assert_allclose(unpacked(episode["seen"]), seen, atol=1e-4)


def test_samples_fan_out(trained, tiny_folder):
    command = ("view", trained.out, "--data", tiny_folder, "--split", "val", "--horizon", 3)
    done(*command, "--samples", 10)
    content = content_of(trained.out / "view_val.html")
    (episode,) = content["episodes"]
    fan = unpacked(episode["fan"]).reshape(len(episode["starts"]), 10, 3, 5)
    assert np.all(fan[..., :2].std(axis=1) > 0)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--split", "all"), "--split is 'all'"),
        (("--horizon", 0), "--horizon is 0; give 1"),
        (("--episodes", -1), "--episodes is -1; give 1"),
        (("--samples", 3), "--samples is 3; give 10 or more"),
        (("--data", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line(trained, args, says):
    refused("view", trained.out, *args, says=says)


def test_a_folder_that_holds_no_run_is_one_line(tmp_path):
    refused("view", tmp_path, says="holds no checkpoint")
    refused("view", tmp_path / "nowhere", says="no such checkpoint or run folder")


@pytest.mark.parametrize("shape", [(7, 3), (2, 4, 2), (1, 1)])
def test_packed_numbers_come_back(shape):
    values = np.random.default_rng(0).normal(size=shape) * 10.0 ** np.arange(shape[-1])
    found = unpacked(packed(values)).reshape(shape)
    spread = np.ptp(values.reshape(-1, shape[-1]), axis=0)
    assert np.all(np.abs(found - values) <= spread / 65534 * 1.001 + 1e-8)


def test_the_arm_is_where_its_kinematics_say():
    rng = np.random.default_rng(0)
    for joints in rng.uniform(LOWER, UPPER, (20, 6)):
        poses = arm_poses(joints)
        hand = next(i for i, body in enumerate(arm_bodies()) if body.joint == 4)
        rotation, position = poses[hand]
        tip = position + rotation @ [0.1, 0.0, 0.0]  # the site of arm.xml
        np.testing.assert_allclose(tip, tip_position(joints), atol=1e-12)
        np.testing.assert_allclose(rotation, rotation_of(tip_quaternion(joints)), atol=1e-12)


def test_solids_are_seen_from_outside():
    solids = [solid for body in arm_bodies() for solid in body.solids] + [cube_solid()]
    assert len(solids) == 9
    for solid in solids:
        middle = solid.vertices.mean(0)
        for a, b, c, *_ in (solid.vertices[list(face)] for face in solid.faces):
            assert np.cross(b - a, c - b) @ (a - middle) > 0


def test_only_the_arms_own_columns_are_drawn_as_the_arm():
    names = [f"{key}.{n}" for key, f in list(features(2).items())[:2] for n in f.names]
    assert cubes_of(tuple(names)) == 2 and cubes_of(tuple(names[:-7])) == 1
    assert cubes_of(tuple(names[:-1])) == 0 and cubes_of((*JOINTS,)) == 0
    assert robot_of(tuple(names), np.ones(33), np.ones(33, bool)).columns[[5, 6, -1]].tolist() == [
        5,
        19,
        32,
    ]


def test_features_shown_are_those_forecast_worst():
    kept = np.array([True, True, False, True, True, True, True, True, True])
    error = np.array([0.1, 0.9, 0.0, 0.2, 0.8, 0.3, 0.7, 0.4, 0.5])
    robot = robot_of(tuple("abcdefghi"), error, kept)
    assert robot.scene["names"] == ["b", "e", "f", "g", "h", "i"]


def test_pictures_of_a_camera_are_those_of_the_frames():
    pytest.importorskip("av")
    from io import BytesIO

    from PIL import Image

    from gyrax.data.lerobot.video import Camera

    recording = Recording.of(SO100)
    sheets = Sheets([recording, recording])
    assert sheets.check() is None and sheets.of(99) is None
    again = sheets.of(recording.episodes + 1)  # of the second data set
    found = sheets.of(1)
    assert again == found and found["camera"] == recording.folder.cameras[0].rsplit(".", 1)[-1]
    image = Image.open(BytesIO(base64.b64decode(found["sheet"].split(",")[1])))
    frames = list(Camera(recording.folder, recording.folder.cameras[0]).frames(1))
    count = -(-len(frames) // found["every"])
    assert count <= PICTURES
    for number in (0, count - 1):
        x, y = number % found["across"], number // found["across"]
        size = found["width"], found["height"]
        box = (x * size[0], y * size[1], (x + 1) * size[0], (y + 1) * size[1])
        want = Image.fromarray(frames[number * found["every"]]).resize(size)
        assert np.abs(np.asarray(image.crop(box), float) - np.asarray(want, float)).mean() < 6


def test_the_example_films_forecasts(tmp_path, capsys):
    """At a tiny size; it plays, and the arm moves."""
    from PIL import Image, ImageSequence

    spec = importlib.util.spec_from_file_location("film", EXAMPLES / "forecast_film.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    file = tmp_path / "film.webp"
    example.film(untrained(arm_frames(), tmp_path), file, horizon=2, shown=1, dpi=40)
    assert "2 pictures of 1 forecasts" in capsys.readouterr().out
    with Image.open(file) as film:
        first, last = (np.asarray(f.convert("L"), float) for f in ImageSequence.Iterator(film))
    half = first.shape[1] // 2
    for side in (slice(0, half), slice(half, None)):
        assert first[:, side].std() > 5 and np.abs(first - last)[:, side].max() > 20
