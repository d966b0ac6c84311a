"""Decoded frames, against the markers that the fixtures' makers put into every image."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folder_edits import at, column, info, remove, to_folder, truncate

from gyrax._errors import InputError
from gyrax.data.lerobot.folder import open_folder
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.video import Camera, _size

FIXTURES = Path(__file__).parent / "fixtures"
TOP, WRIST = "observation.images.top", "observation.images.wrist"
TABLE = "meta/episodes/chunk-000/file-000.parquet"


@pytest.fixture
def whole_copy(tmp_path: Path) -> Callable[[str], Path]:
    """A writable copy of a fixture, videos included."""
    return lambda version: shutil.copytree(FIXTURES / f"so100_tiny_{version}", tmp_path / version)


def disc(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the disc's centre is in each image: its pixels are those far from the background."""
    wide = images.astype(float)
    far = np.abs(wide - np.median(wide[:, 20:, 20:], axis=(0, 1, 2))).sum(-1)
    far[:, :12, :12] = 0  # the marker
    mask = far > 0.5 * far.max()
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    return (mask * x).sum((1, 2)) / mask.sum((1, 2)), (mask * y).sum((1, 2)) / mask.sum((1, 2))


@pytest.mark.parametrize(("key", "shift"), [(TOP, 0), (WRIST, 10)])
def test_frames_are_those_of_the_episode(tiny: Path, key: str, shift: int):
    """In any order of episodes: green tells the episode, the disc's place the very frame."""
    pytest.importorskip("av")
    folder = open_folder(tiny)
    camera = Camera(folder, key)
    assert (camera.height, camera.width) == (96, 128)
    for episode in (2, 0, 1, 0):
        images = np.stack(list(camera.frames(episode)))
        states = folder.read(episode, ["observation.state"])["observation.state"]
        assert images.shape == (len(states), 96, 128, 3) and images.dtype == np.uint8
        green = images[:, 2:6, 2:6, 1].mean((1, 2))
        assert np.abs(green - 60 * episode).max() < 30
        x, y = disc(images)
        assert np.abs(x - (64 + shift + states[:, 0])).max() < 1
        assert np.abs(y - (48 + 0.8 * states[:, 1])).max() < 1
        assert np.abs(np.diff(states[:, 0])).mean() > 2  # so one frame off would be seen


def test_only_what_is_asked_for_is_decoded(tiny: Path):
    pytest.importorskip("av")
    camera = Camera(open_folder(tiny), TOP)
    first = next(camera.frames(1))
    assert np.array_equal(first, next(iter(camera.frames(1))))


def refused(root: Path, key: str = TOP) -> str:
    with pytest.raises(InputError) as caught:
        folder = open_folder(root)
        camera = Camera(folder, key if key in folder.features else folder.cameras[0])
        for episode in range(3):
            for _ in camera.frames(episode):
                pass
    message = str(caught.value)
    assert "\n" not in message and message.isprintable()
    return message


NEW, OLD = f"videos/{TOP}/chunk-000/file-000.mp4", f"videos/chunk-000/{TOP}/episode_000001.mp4"
START, FILE = f"videos/{TOP}/from_timestamp", f"videos/{TOP}/file_index"


def images(**changes: Any) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        content = json.loads((root / "meta/info.json").read_text())
        content["features"][TOP].update(changes)
        (root / "meta/info.json").write_text(json.dumps(content))

    return edit


def rename(name: str) -> Callable[[Path], None]:
    """Give the camera another key."""

    def edit(root: Path) -> None:
        text = json.dumps(json.loads((root / "meta/info.json").read_text()))
        (root / "meta/info.json").write_text(text.replace(json.dumps(TOP), json.dumps(name)))

    return edit


def garbage(file: str) -> Callable[[Path], Any]:
    return lambda root: (root / file).write_bytes(b"\xff" * 5000)


@pytest.mark.parametrize(
    ("version", "edit", "says"),
    [
        ("v30", remove(NEW), "file-000.mp4: missing"),
        ("v21", remove(OLD), "episode_000001.mp4: missing"),
        ("v30", to_folder(NEW), "file-000.mp4: truncated or broken"),
        ("v30", truncate(NEW, 0.0), "file-000.mp4: truncated or broken"),
        ("v30", truncate(NEW, 0.5), "file-000.mp4: truncated or broken"),
        ("v21", truncate(OLD, 0.9), "episode_000001.mp4: truncated or broken"),
        ("v30", garbage(NEW), "file-000.mp4: truncated or broken"),
        ("v30", lambda r: shutil.copy(r / "meta/info.json", r / NEW), "file-000.mp4: truncated or"),
        ("v21", lambda r: shutil.copy(r / OLD.replace("01.mp4", "00.mp4"), r / OLD),
         "000001.mp4: ends after 24 frames, expected 31 for episode 1"),
        ("v30", images(shape=[480, 640, 3]), "frames are 96 x 128 pixels, but info.json says 480 x 640"),
        ("v30", images(shape=[96], names=None), "has shape .96,., expected .height, width, channels"),
        ("v30", images(dtype="image"), f"no camera '{TOP}', expected one of '{WRIST}'"),
        ("v30", info(video_path=None), "video_path is missing, expected a text"),
        ("v30", info(video_path=7), "video_path is 7, expected a text"),
        ("v30", info(video_path="../{video_key}/{chunk_index}/{file_index}"), "stays inside"),
        ("v21", info(video_path="/{video_key}/{episode_index}"), "stays inside the folder"),
        ("v21", info(video_path="videos/{episode_index}"), "expected it to hold {video_key}"),
        ("v21", info(video_path="videos/{video_key}"), "expected it to hold {episode_index}"),
        ("v30", info(video_path="{video_key:9999d}/{file_index}"), "expected only the fields"),
        ("v30", info(video_path="{video_key.x}/{file_index}"), "expected only the fields"),
        ("v21", rename("../../../x"), r"video_path is .*expected a path that stays inside the folder"),
        ("v21", rename("a\nb"), r"video_path is .*expected a path that stays inside the folder"),
        ("v30", column(TABLE, START, at(1, -0.5)), "from_timestamp of episode 1 is -0.5"),
        ("v30", column(TABLE, START, at(1, float("nan"))), "from_timestamp of episode 1 is nan"),
        ("v30", column(TABLE, START, at(1, None)), "from_timestamp of episode 1 is missing"),
        ("v30", column(TABLE, START, at(1, 0.7)), "episode 1 are 34 frames apart, expected 31"),
        ("v30", column(TABLE, FILE, at(1, -1)), "file_index of episode 1 is -1"),
        ("v30", column(TABLE, FILE, at(1, 4)), "file-004.mp4: missing"),
        ("v30", info(fps=15), "frames apart, expected 24"),
    ],
)  # fmt: skip
def test_one_line_for_each_broken_video(
    whole_copy: Callable[[str], Path], version: str, edit: Callable[[Path], Any], says: str
):
    pytest.importorskip("av")
    root = whole_copy(version)
    edit(root)
    assert re.search(says, refused(root))


def test_frames_that_jump(whole_copy: Callable[[str], Path]):
    """A video of 15 frames a second in a folder of 30."""
    av = pytest.importorskip("av")
    root = whole_copy("v21")
    write_video(av, root / OLD, frames=31, fps=15, height=96, width=128)
    assert "holds frame 2 where frame 1 was expected at 30 frames a second" in refused(root)


def test_damage_inside_is_noticed_or_harmless(whole_copy: Callable[[str], Path]):
    """Flipped bytes never raise anything else than `InputError`."""
    pytest.importorskip("av")
    root = whole_copy("v21")
    content, rng = (root / OLD).read_bytes(), np.random.default_rng(0)
    for _ in range(20):
        broken = np.frombuffer(content, np.uint8).copy()
        broken[rng.integers(len(broken), size=8)] ^= rng.integers(1, 256, size=8, dtype=np.uint8)
        (root / OLD).write_bytes(broken.tobytes())
        try:
            assert len(list(Camera(open_folder(root), TOP).frames(1))) == 31
        except InputError as error:
            assert "\n" not in str(error)


def write_video(av: Any, file: Path, *, frames: int, fps: int, height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for _ in range(frames):
            noise = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())


def test_without_pyav_the_extra_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"needs PyAV; install it with .*'\.\[video\]'"):
        Camera(open_folder(tiny), TOP)


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((96, 128, 3), None),
        ((3, 96, 128), None),
        ((3, 96, 128), ("channels", "height", "width")),
        ((96, 128, 3), ("height", "width", "channel")),
    ],
)
def test_orders_of_the_shape(shape: tuple[int, ...], names: tuple[str, ...] | None):
    assert _size("x", Feature("video", shape, names)) == (96, 128)
