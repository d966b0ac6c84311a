"""SmolVLA's features of real video: the command, against a forward pass written out here."""

import json
import re
import shutil
from pathlib import Path

import cli
import numpy as np
import pytest
from typer.testing import CliRunner

from gyrax.data.features.cache import open_cache
from gyrax.data.lerobot.folder import open_folder
from gyrax.data.lerobot.video import Camera

torch = pytest.importorskip("torch")
pytest.importorskip("av")

FIXTURES = Path(__file__).parents[1] / "data" / "fixtures"
WIDTH = 48
CHOSEN = ("--camera", "camera1=top", "--camera", "camera3=observation.images.wrist")


def extract(dataset, weights, out, *flags):
    words = ["--dataset", dataset, "--backbone", "smolvla", "--weights", weights, "--out", out]
    return CliRunner().invoke(cli.app, ["extract", *map(str, words), *map(str, flags)])


def features(out):
    cache = open_cache(out)
    return [cache.read(episode)["features"] for episode in range(cache.meta.episodes)]


def refused(result, says):
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2, (result.output, result.exception)
    assert len(lines) == 1 and re.search(says, lines[0]), lines


@pytest.fixture(scope="module", params=["v30", "v21"])
def extracted(request, weights, tmp_path_factory):
    dataset = FIXTURES / f"so100_tiny_{request.param}"
    out = tmp_path_factory.mktemp("caches") / "cache"
    result = extract(dataset, weights, out, *CHOSEN, "--batch-size", 7)
    assert result.exit_code == 0, (result.output, result.exception)
    return dataset, out


def test_every_frame_is_computed(extracted):
    found = features(extracted[1])
    assert [len(episode) for episode in found] == [24, 31, 38]
    for episode in found:
        assert episode.shape[1] == WIDTH and episode.dtype == np.float32
        steps = np.abs(np.diff(episode, axis=0)).max(1)
        assert steps.min() > 1e-4, steps.min()


def test_what_the_cache_records(extracted):
    meta = json.loads((extracted[1] / "meta.json").read_text())
    assert meta["backbone"] == "smolvla" and meta["feature_width"] == WIDTH
    assert meta["settings"] | {"weights": ""} == {
        "weights": "",
        "cameras": {
            "observation.images.camera1": "observation.images.top",
            "observation.images.camera3": "observation.images.wrist",
        },
        "noise_seed": 0,
        "denoise_step": 2,
        "denoise_steps": 3,
        "pooling": "mean over tokens",
        "dtype": "float32",
    }


def test_again_is_the_same(extracted, weights, tmp_path):
    """A second run, in two parts: the first episode, and then the others."""
    dataset, out = extracted
    flags = (*CHOSEN, "--batch-size", 7)
    assert extract(dataset, weights, tmp_path / "c", *flags, "--max-episodes", 1).exit_code == 0
    assert len(features(tmp_path / "c")) == 1
    assert extract(dataset, weights, tmp_path / "c", *flags).exit_code == 0
    for before, after in zip(features(out), features(tmp_path / "c"), strict=True):
        assert np.array_equal(before, after)


def plain(policy, images, state, task):
    """Hidden states of the last denoising step, pooled: one whole pass a step, nothing cached."""
    config, model = policy.config, policy.model
    scaled = []
    for image in images:
        x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        x = torch.nn.functional.interpolate(x, size=(48, 64), mode="bilinear", align_corners=False)
        canvas = torch.zeros(1, 3, 64, 64)
        canvas[:, :, 16:, :] = x
        scaled.append(canvas * 2 - 1)
    padded = torch.zeros(1, config.max_state_dim)
    padded[0, : len(state)] = torch.from_numpy(state)
    tokens = model.vlm_with_expert.processor.tokenizer(task + "\n", return_tensors="pt")[
        "input_ids"
    ]
    assert tokens.shape[1] == len(task) + 1
    seen = [torch.ones(1, dtype=torch.bool)] * len(scaled)
    prefix, prefix_pads, prefix_marks = model.embed_prefix(
        scaled, seen, tokens, torch.ones_like(tokens, dtype=torch.bool), state=padded
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((1, config.chunk_size, config.max_action_dim), generator=generator)
    for step in range(config.num_steps):
        time = torch.tensor([1 - step / config.num_steps], dtype=torch.float32)
        suffix, pads, marks = model.embed_suffix(x, time)
        pads = torch.cat([prefix_pads, pads], 1)
        blocks = torch.cat([prefix_marks.float(), marks.float()], 1).cumsum(1)
        (_, hidden), _ = model.vlm_with_expert.forward(
            attention_mask=blocks[:, None, :] <= blocks[:, :, None],
            position_ids=pads.cumsum(1) - 1,
            past_key_values=None,
            inputs_embeds=[prefix, suffix],
            use_cache=False,
            fill_kv_cache=False,
        )
        x = x - model.action_out_proj(hidden) / config.num_steps
    return hidden.mean(1)[0].numpy()


@torch.no_grad()
def test_a_plain_forward_pass_gives_the_same(extracted, weights):
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

    policy = SmolVLAPolicy.from_pretrained(weights)
    folder = open_folder(extracted[0])
    states = np.concatenate(
        [folder.read(e, ["observation.state"])["observation.state"] for e in range(3)]
    )
    mean, std = states.mean(0, dtype=np.float64), states.std(0, dtype=np.float64)
    cameras = [Camera(folder, f"observation.images.{name}") for name in ("top", "wrist")]
    episode, found = 1, features(extracted[1])[1]
    images = [list(camera.frames(episode)) for camera in cameras]
    state = folder.read(episode, ["observation.state"])["observation.state"]
    for i in (0, 6, 7, 30):
        normal = ((state[i] - mean) / std).astype(np.float32)
        expected = plain(policy, [m[i] for m in images], normal, "Push the cube to the left.")
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


def test_cameras_are_mapped_by_name(extracted, weights, tmp_path):
    dataset, out = extracted
    swapped = ("--camera", "camera3=top", "--camera", "camera1=wrist")
    refused(
        extract(dataset, weights, out, *swapped), r"holds features of other settings \(cameras: "
    )
    result = extract(dataset, weights, tmp_path / "c", *swapped, "--max-episodes", 1)
    assert result.exit_code == 0, result.output
    assert np.abs(features(tmp_path / "c")[0] - features(out)[0]).max() > 1e-4


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "no camera is chosen; the weights expect 'camera1', 'camera2', 'camera3', the folder has "
             "'top', 'wrist'"),
        (("--camera", "front=top"), "no camera NAME 'front'; the weights expect 'camera1'"),
        (("--camera", "camera1=front"), "no camera KEY 'front'.*the folder has 'top', 'wrist'"),
        (("--camera", "camera1"), "expected NAME=KEY"),
        (("--camera", "camera1=top", "--camera", "camera1=wrist"), "is given twice"),
        (("--camera", "camera1=top", "--camera", "camera2=top"), "is given twice"),
        (("--camera", "camera1=top", "--device", "cuda"), "PyTorch finds no CUDA device"),
    ],
)  # fmt: skip
def test_bad_flags(weights, tmp_path, flags, says):
    if "cuda" in flags and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    refused(extract(FIXTURES / "so100_tiny_v30", weights, tmp_path / "c", *flags), says)
    assert not (tmp_path / "c").exists()


def write(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def without_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.state_proj.weight")
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "holds no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no model.safetensors"),
        (write("model.safetensors", lambda b: b[: len(b) // 2]), "safetensors: truncated, broken"),
        (write("model.safetensors", lambda b: b"\xff" * 100), "safetensors: truncated, broken"),
        (without_a_tensor, "lacks 1 tensors of SmolVLA: 'model.state_proj.weight'"),
        (write("config.json", lambda b: b[:100]), "config.json: broken JSON"),
        (write("config.json", lambda b: b"\xff"), "config.json: byte 0 is not UTF-8"),
        (write("config.json", lambda b: b.replace(b'"smolvla"', b'"act"')), "type is 'act'"),
        (write("config.json", lambda b: b.replace(b'"chunk_size": 10', b'"chunk_size": "x"')),
         "config.json: cannot be used"),
        (write("config.json", lambda b: b.replace(b'"max_state_dim": 32', b'"max_state_dim": 31')),
         "of another architecture"),
        (write("config.json", lambda b: re.sub(rb'"vlm_model_name": "[^"]*"',
                                               b'"vlm_model_name": "/no/such/folder"', b)),
         "vlm_model_name: /no/such/folder is no folder"),
    ],
)  # fmt: skip
def test_bad_weights(weights, tmp_path, damage, says):
    copy = shutil.copytree(weights, tmp_path / "weights")
    damage(copy)
    refused(extract(FIXTURES / "so100_tiny_v30", copy, tmp_path / "c", *CHOSEN), says)
    assert not (tmp_path / "c").exists()


def test_weights_that_are_nowhere(weights, tmp_path, monkeypatch):
    """The hub is asked once; where it gives no answer, only what it gave before is used."""
    import huggingface_hub.utils as hub

    class Silent:
        def head(self, url, timeout):
            assert timeout <= 10
            raise ConnectionError("no route")

    monkeypatch.setattr(hub, "get_session", Silent)
    fixture = FIXTURES / "so100_tiny_v30"
    refused(
        extract(fixture, "/no/such", tmp_path / "c", *CHOSEN), "--weights /no/such: /no/such is no"
    )
    says = (
        "--weights nobody/nothing: nobody/nothing is no folder here, and .*it does not answer, and"
    )
    refused(extract(fixture, "nobody/nothing", tmp_path / "c", *CHOSEN), says)
    copy = shutil.copytree(weights, tmp_path / "weights")
    text = (copy / "config.json").read_text()
    text = re.sub(r'"vlm_model_name": "[^"]*"', '"vlm_model_name": "nobody/nothing"', text)
    (copy / "config.json").write_text(text)
    says = "config.json: vlm_model_name: nobody/nothing is no folder here, .* does not answer"
    refused(extract(fixture, copy, tmp_path / "c", *CHOSEN), says)
    assert not (tmp_path / "c").exists()
