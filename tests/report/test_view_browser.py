"""The page of `gyrax view` in a real browser without a network: Debian's Chromium, driven by playwright.

What it draws is the arm, under a model that was not trained; one page shows features and a camera.
"""

import base64
import shutil
from dataclasses import replace
from io import BytesIO

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gyrax.envs.arm.kinematics import tip_position
from gyrax.geometry import distance, geodesic
from gyrax.report.view import page as pages
from gyrax.report.view.content import make_forecasts, page_content
from gyrax.report.view.page import view_page
from gyrax.report.view.recording import Recording
from untrained import arm_frames, untrained

HORIZON = 6


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium; apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def shown(browser, tmp_path_factory):
    """The page, and what it holds before it is packed; every forecast jumps at its second frame."""
    folder = tmp_path_factory.mktemp("view")
    encoded = untrained(arm_frames(), folder)
    found, _ = make_forecasts(encoded, "train", horizon=HORIZON, episodes=3, samples=0)
    jumped = np.zeros_like(found.jumped)
    jumped[:, 1] = True
    noise = np.random.default_rng(0).normal(size=(len(found.points), 4, *found.points.shape[1:]))
    fan = found.points[:, None] * (1 + 0.1 * noise)
    found = replace(found, jumped=jumped, fan=fan.astype(np.float32))
    content = page_content(encoded, "train", found, 30.0)
    page = folder / "view.html"
    page.write_text(view_page(content, "a </script> title", ["A remark."]), encoding="utf-8")
    return page, encoded, found


@pytest.fixture
def opened(browser, shown):
    """Opens a file at a width; at the end nothing was asked for, and nothing complained."""
    contexts, asked, complaints = [], [], []

    def open_at(width=1280, file=shown[0]):
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(file.as_uri())
        tab.wait_for_function("state.episode && element('ball').width > 0")
        tab.wait_for_timeout(100)  # the observers of sizes have drawn
        return tab

    yield open_at
    for context in contexts:
        context.close()
    outside = [url for url in asked if not url.startswith(("file:", "data:"))]
    assert not outside and not complaints


def pixels(tab, name):
    """The picture of a canvas, (h, w, 4)."""
    address = tab.evaluate("(id) => element(id).toDataURL()", name)
    return np.asarray(Image.open(BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGBA"))


CANVASES = ("ball", "robot", "actions", "errors", "timeline")


@pytest.mark.parametrize("width", [1280, 390])
def test_everything_is_drawn_and_fits(opened, width):
    tab = opened(width)
    for name in CANVASES:
        seen = pixels(tab, name)
        assert seen[..., 3].std() > 10, name
        assert len(np.unique(seen.reshape(-1, 4), axis=0)) > 10, name
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    boxes = [tab.locator(f"#{name}").bounding_box() for name in (*CANVASES, "slider", "play")]
    assert all(b["x"] >= 0 and b["x"] + b["width"] <= width and b["width"] > 50 for b in boxes)
    beside = boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=2)
    assert beside == (width > 760)
    assert tab.locator("h1").inner_text() == "a </script> title"
    assert "A remark." in tab.locator("body").inner_text()


def test_first_paint_comes_within_a_second(opened):
    tab = opened()
    tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    read = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    assert tab.evaluate(read) < 1000


def test_the_slider_moves_everything(opened):
    tab = opened()
    before = {name: pixels(tab, name) for name in CANVASES}
    told = tab.locator("#told").inner_text()
    tab.locator("#slider").fill(str(HORIZON))
    for name in CANVASES:
        assert np.any(pixels(tab, name) != before[name]), name
    assert f"{HORIZON} ahead" in tab.locator("#told").inner_text() != told
    tab.locator("#slider").fill("0")
    for name in CANVASES:
        assert np.array_equal(pixels(tab, name), before[name]), name


def test_keys_and_buttons(opened):
    tab = opened()
    at = lambda: tuple(tab.evaluate("[state.number, state.start, state.step]"))
    press = tab.keyboard.press
    tab.evaluate("choose(0, 0)")
    press("ArrowRight")
    press("ArrowRight")
    assert at() == (0, 0, 2)
    press("ArrowLeft")
    assert at() == (0, 0, 1)
    tab.locator("#slider").focus()  # the slider's own keys must not count twice
    press("ArrowRight")
    assert at() == (0, 0, 2)
    press("End")
    assert at() == (0, 0, HORIZON)
    press("ArrowDown")
    assert at() == (0, 1, 0)
    press("ArrowUp")
    press("ArrowUp")  # on before the first start is the last one of the last episode
    last = tab.evaluate("data.episodes.length - 1")
    assert at()[0] == last and at()[1] == tab.evaluate("state.episode.starts.length - 1")
    press("n")
    assert at()[0] == 0
    tab.locator("#episode").select_option("1")
    tab.locator("#start").select_option("2")
    assert at() == (1, 2, 0)
    ball = pixels(tab, "ball")
    press("c")
    assert np.any(pixels(tab, "ball") != ball) and not tab.evaluate("state.close")
    press("End")
    fan = pixels(tab, "ball")
    press("f")
    assert np.any(pixels(tab, "ball") != fan)


def test_play_goes_on_by_itself_and_stops(opened):
    tab = opened()
    tab.keyboard.press("Space")
    tab.wait_for_function("state.step > 1", timeout=5000)
    assert tab.locator("#play").inner_text() == "Pause"
    tab.locator("#play").click()
    here = tab.evaluate("state.step")
    tab.wait_for_timeout(400)
    assert tab.evaluate("state.step") == here and tab.locator("#play").inner_text() == "Play"


@pytest.mark.parametrize("name", ["ball", "robot"])
def test_the_mouse_turns_the_picture(opened, name):
    tab = opened()
    tab.locator(f"#{name}").scroll_into_view_if_needed()
    before, box = pixels(tab, name), tab.locator(f"#{name}").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 60
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 60, y + 20, steps=4)
    tab.mouse.up()
    turned = pixels(tab, name)
    assert np.any(turned != before)
    tab.mouse.move(x, y)
    assert np.array_equal(pixels(tab, name), turned)
    tab.mouse.dblclick(x, y)
    assert np.array_equal(pixels(tab, name), before)


def test_a_click_on_the_episode_chooses_the_nearest_start(opened):
    tab = opened()
    box = tab.locator("#timeline").bounding_box()
    tab.mouse.click(box["x"] + box["width"] - 3, box["y"] + 15)
    assert tab.evaluate("state.start === state.episode.starts.length - 1")


def test_geodesics_and_distances_are_those_of_the_ball(opened, shown):
    """In 5 dimensions, of which 3 are seen."""
    tab, rng = opened(), np.random.default_rng(0)
    plane = np.linalg.qr(rng.normal(size=(5, 3)))[0]
    for c in (1.0, 0.3):
        x, y = rng.normal(size=(2, 8, 5)).astype(np.float32)
        scale = rng.uniform(0.1, 0.95, (2, 8, 1)) / c**0.5
        x = np.float32(scale[0]) * x / np.linalg.norm(x, axis=-1, keepdims=True)
        y = np.float32(scale[1]) * y / np.linalg.norm(y, axis=-1, keepdims=True)
        gap = lambda z, c=c: 1 - c * (z**2).sum(-1, keepdims=True)
        told = lambda z, gap=gap: np.concatenate([z @ plane, np.log(gap(z))], -1)
        chord = np.linalg.norm(y - x, axis=-1)
        read = """([x, y, chord, c]) => [0, 0.2, 0.7, 1].map((t) => geodesic(x, y, chord, c)(t))"""
        gaps = np.exp([told(x)[:, 3], told(y)[:, 3]])
        for i in range(8):
            drawn = tab.evaluate(
                read, [told(x)[i].tolist(), told(y)[i].tolist(), float(chord[i]), c]
            )
            want = [
                np.asarray(geodesic(jnp.asarray(x[i]), jnp.asarray(y[i]), t, c)) @ plane
                for t in (0, 0.2, 0.7, 1)
            ]
            np.testing.assert_allclose(drawn, want, atol=2e-5)
            found = tab.evaluate(
                "(a) => distance(...a)", [float(chord[i]), *gaps[:, i].tolist(), c]
            )
            want = distance(jnp.asarray(x[i]), jnp.asarray(y[i]), c)
            assert found == pytest.approx(float(want), rel=1e-4)


def test_what_is_drawn_is_what_was_forecast(opened, shown):
    _, encoded, found = shown
    tab = opened()
    number, start, step = 1, 2, 4
    tab.evaluate(f"choose({number}, {start})")
    tab.evaluate(f"go({step})")
    episode = np.unique(found.chosen.episode)[number]
    row = np.flatnonzero(found.chosen.episode == episode)[start]
    x = encoded.dataset.normaliser.restored(found.features[row, step - 1])
    drawn = tab.evaluate("Array.from(arm.frame(state.step).forecast)")
    np.testing.assert_allclose(drawn, x[[*range(6), *range(19, 26)]], atol=2e-3)
    frame = encoded.dataset.frames.offsets[episode] + found.start[row] + step
    seen = encoded.dataset.frames.features[frame]
    truth = tab.evaluate("Array.from(arm.frame(state.step).truth)")
    np.testing.assert_allclose(truth, seen[[*range(6), *range(19, 26)]], atol=2e-3)
    off = 100 * np.linalg.norm(x[19:22] - seen[19:22])
    assert tab.evaluate("arm.off()[0]") == pytest.approx(off, abs=0.1)
    assert f"cube off by {off:.1f}"[:-1] in tab.locator("#told").inner_text()
    tip = """() => { const poses = bodyPoses(data.robot.bodies, arm.frame(state.step).truth);
      const i = data.robot.bodies.findIndex((body) => body.joint === 4);
      return moved(...poses[i], [0.1, 0, 0]); }"""
    np.testing.assert_allclose(tab.evaluate(tip), tip_position(seen[:6]), atol=2e-3)
    error = tab.evaluate("state.episode.errors[state.start][state.step - 1][0]")
    points, target = found.points[row, step - 1], found.chosen.window.target[row, step - 1]
    want = float(distance(jnp.asarray(points), jnp.asarray(target)))
    assert error == pytest.approx(want, abs=1e-3)
    assert tab.evaluate("state.episode.jumps[state.start]") == [1]
    fan = tab.evaluate("state.episode.fan[state.start].map((line) => line.map((p) => p[3]))")
    want = np.log(1 - np.sum(found.fan[row].astype(float) ** 2, axis=-1))
    np.testing.assert_allclose(fan, want, atol=1e-3)


def test_features_and_a_camera(opened, tmp_path, monkeypatch):
    """Of a folder with videos: its picture moves with the slider, and features are curves."""
    pytest.importorskip("av")
    from test_view_content import SO100

    from gyrax.data.frames import load_frames

    frames = load_frames(SO100)
    encoded = untrained(frames, tmp_path)
    (tmp_path / "run").mkdir()
    file = pages.write_view(
        encoded, "train", [SO100], horizon=4, episodes=1, samples=0, console=Console(quiet=True)
    )
    tab = opened(file=file)
    tab.wait_for_function("state.episode.sheet.complete")
    tab.evaluate("choose(0, 0)")
    before = {name: pixels(tab, name) for name in ("film", "robot")}
    assert before["film"][..., :3].std() > 5
    tab.locator("#slider").fill("4")
    for name, seen in before.items():
        assert np.any(pixels(tab, name) != seen), name
    assert file.name == "view_train.html" and Recording.of(SO100).folder is not None
