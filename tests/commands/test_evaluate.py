"""`evaluate` and `ablate` as a person runs them, on small data."""

import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from commandline import call, refused
from gyrax.ablation.variants import make_variants, parse_factor
from gyrax.data.frames import load_frames
from gyrax.evaluation import cache as caches
from gyrax.evaluation.contestants import makers
from gyrax.evaluation.encoded import Encoded
from gyrax.evaluation.scores import ORDER
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.presets import make_settings
from gyrax.training.trainer import Trained
from tiny import TINY


@pytest.fixture(scope="module")
def evaluated(trained, tiny_folder):
    command = [
        "evaluate",
        "--checkpoint",
        trained.out,
        "--data",
        tiny_folder,
        "--json",
        "--long",
        9,
    ]
    result = call(*command, "--samples", 10)
    assert result.exit_code == 0, (result.output, result.exception)
    return command, json.loads(result.stdout)


def test_report_has_every_forecast(evaluated):
    report = evaluated[1]
    for block, steps in ((report, TINY["sequence_length"] - 1), (report["long"], 9)):
        assert len(block["horizon"]) == steps
        for name in ORDER:
            for kind in ("geodesic", "feature_rmse"):
                low, mean, high = (np.array(block[name][kind + e]) for e in ("_low", "", "_high"))
                assert mean.shape == (steps,) and np.all(np.isfinite(mean))
                assert np.all(low <= mean + 1e-9) and np.all(mean <= high + 1e-9)
            root = np.sqrt(np.mean(np.square(block[name]["feature_rmse"])))
            np.testing.assert_allclose(block[name]["feature_rmse_mean"], root)
        ours, theirs = (block[name]["feature_rmse_mean"] for name in ("model", "feature_gru"))
        gap = block["differences"]["feature_gru"]["feature_rmse_mean"]
        np.testing.assert_allclose(gap, ours - theirs, atol=1e-9)
        gap = block["differences"]["gru"]["geodesic"]
        want = np.subtract(block["model"]["geodesic"], block["gru"]["geodesic"])
        np.testing.assert_allclose(gap, want, atol=1e-9)
    ratio = np.array(report["model"]["geodesic"]) / np.array(report["persistence"]["geodesic"])
    np.testing.assert_allclose(report["skill"], 1 - ratio)
    encoding = [f"encoded_feature_rmse{of}" for of in ("", "_pca", "_autoencoder")]
    for name in ("chart_accuracy", "energy_drift", "jump_rate", "codebook_use", *encoding):
        assert np.isfinite(report[name]), name
    assert report["position_error_cm"]["tip"]["frames"] == [1, 3, 9]
    assert report["split"] == "test" and report["episodes"] == 1
    found = report["uncertainty"]
    assert found["temperature"][0] > 0 and found["calibrated"]
    assert np.all(np.array(found["coverage"]["90"]) >= np.array(found["coverage"]["50"]))


def test_yardsticks_on_features_have_no_part_of_the_encoder(evaluated, trained, tiny_folder):
    """Standing still is off by the features' own change, whatever decodes them."""
    own = Trained.of(open_checkpoint(trained.out))
    dataset = Dataset.of(load_frames(tiny_folder), own.settings, own.normaliser)
    (episode,) = dataset.split["test"]
    x = dataset.x[slice(*dataset.frames.offsets[episode : episode + 2])]
    off = [x[1 + h : len(x) - 3 + h] - x[1 : len(x) - 3] for h in (1, 2, 3)]
    want = [np.sqrt(np.mean(d**2)) for d in off]
    np.testing.assert_allclose(evaluated[1]["feature_persistence"]["feature_rmse"], want, rtol=1e-5)


def test_report_page(evaluated, trained):
    report = evaluated[1]
    page = (trained.out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 8 and "flat twin" in page
    assert "://" not in page and "<script" not in page  # "http" may stand in the base64 of a figure
    # The figure of features, then one table of means with intervals; the wide ones fold away.
    first, rest = page.split("<table>", 1)
    assert first.count("<img") == 1 and "<details" not in first
    summary, folded = rest.split("<h2>All numbers</h2>")
    assert "<table" not in summary and folded.count("<details>") == folded.count("<table>") == 8
    low, mean, high = (
        report["long"]["model"][f"feature_rmse_mean{e}"] for e in ("_low", "", "_high")
    )
    assert f"<td>{mean:.3f} [{low:.3f}, {high:.3f}]</td>" in summary and "frames 1 to 9" in summary


def test_cached_baselines_give_the_same_numbers(evaluated, trained):
    command, first = evaluated
    files = sorted((trained.out / "baselines").glob("*.eqx"))
    names = [f.name.split("-")[0] for f in files]
    assert names == ["autoencoder", "feature_gru", "feature_mlp", "flat_twin", "gru", "mlp"]
    written = [f.stat().st_mtime_ns for f in files]
    content = bytearray(files[-1].read_bytes())
    content[-1] ^= 1
    files[-1].write_bytes(content)
    result = call(*command)
    assert result.exit_code == 0, (result.output, result.exception)
    again = json.loads(result.stdout)
    assert "mlp is trained again" in result.stderr.replace("\n", " ")
    assert [f.stat().st_mtime_ns for f in files][:-1] == written[:-1]
    for name in (*ORDER, "encoded_feature_rmse_autoencoder"):
        assert again[name] == first[name], name


def test_baselines_of_other_code_or_data_are_not_taken(
    evaluated, trained, tiny_folder, monkeypatch
):
    """What another version of the package, or another data set, trained is stale."""
    checkpoint = open_checkpoint(trained.out)
    own = Trained.of(checkpoint)
    frames = load_frames(tiny_folder)
    moved = replace(frames, features=frames.features + np.float32(1e-3))

    def stored(frames, epochs=TINY["phase2_epochs"] + TINY["phase3_epochs"]):
        dataset = Dataset.of(frames, own.settings, own.normaliser)
        encoded = Encoded.of(own, dataset)
        cache = caches.Cache(trained.out, encoded, Console(quiet=True))
        return cache.load("mlp", 0, epochs, makers(encoded)["mlp"](0))

    assert stored(frames) is not None
    assert stored(moved) is None and stored(frames, epochs=9) is None
    monkeypatch.setattr(caches, "source_digest", lambda: "another version")
    assert stored(frames) is None


def test_evaluate_refuses(trained, tiny_folder):
    command = ["evaluate", "--checkpoint", trained.out, "--data", tiny_folder]
    refused(*command, "--seeds", 0, says="--seeds is 0")
    refused(*command, "--samples", 4, says="--samples is 4; give 10 or more")
    refused(
        "train", "--w-energy-score", 1, "--wm-T-c", 0, says="--w-energy-score has nothing to score"
    )
    refused("train", "--wm-learn-temperature", says="--wm-learn-temperature without")


def test_an_ablation_goes_on_where_it_stopped_and_outlives_what_diverges(
    trained, tiny_folder, tmp_path
):
    command = ["ablate", "--encoder", trained.out, "--data", tiny_folder, "--seeds", 1]
    vary = ["--vary", "solver=boa,aboba", "--vary", "lr_wm=1e12", "--out", tmp_path / "a"]
    result = call(*command, *vary)
    assert result.exit_code == 0, (result.output, result.exception)
    rows = json.loads((tmp_path / "a" / "table.json").read_text())["rows"]
    assert [r["variant"] for r in rows] == ["reference", "solver=aboba", "lr_wm=1e12"]
    np.testing.assert_allclose(rows[1]["difference"], rows[1]["error"] - rows[0]["error"])
    assert rows[2] == {"variant": "lr_wm=1e12", "seeds": 1, "diverged": [0]}
    cell = json.loads(next((tmp_path / "a" / "cells").glob("solver=aboba*")).read_text())
    np.testing.assert_allclose(rows[1]["error"] ** 2, np.mean(cell["errors"]))  # all as long
    for name in ("table.md", "table.csv", "ablation.png"):
        assert (tmp_path / "a" / name).stat().st_size > 100
    assert "diverged with seed 0" in (tmp_path / "a" / "table.md").read_text()
    cells = {f: f.stat().st_mtime_ns for f in (tmp_path / "a" / "cells").iterdir()}
    next(f for f in cells if "aboba" in f.name).unlink()
    again = call(*command, *vary)
    assert "reference: done already" in again.output and again.exit_code == 0
    assert "lr_wm=1e12: done already" in again.output
    kept = {f: f.stat().st_mtime_ns for f in (tmp_path / "a" / "cells").iterdir()}
    assert set(kept) == set(cells) and sum(kept[f] == cells[f] for f in cells) == 2
    assert json.loads((tmp_path / "a" / "table.json").read_text())["rows"] == rows
    says = "holds an ablation with another --wm-dt"
    refused(*command, *vary, "--wm-dt", 0.5, says=says)
    wild = ["--lr-wm", "1e12", "--vary", "boris=off", "--out", tmp_path / "b"]
    refused(*command, *wild, says="the reference diverged with seed 0")


def test_what_is_several_settings_goes_together():
    reference = make_settings(None, TINY)
    factors = [parse_factor("fields=off"), parse_factor("servo=off")]
    _, fields, servo = make_variants(reference, factors, grid=False)
    motion = fields.settings.integration
    assert not (motion.use_potential or motion.use_control or motion.use_boris)
    assert servo.settings.world_model.servo == servo.settings.world_model.memory == 0


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        ("solver", "write NAME=VALUE,VALUE"),
        ("colour=red", "no such setting"),
        ("boris=maybe", "give on or off"),
        ("fields=on", "give fields=off"),
        ("dt=small", "give float"),
        ("latent_dim=3,4", "share one encoder"),
        ("curvature=0.1", "give ball or flat"),
        ("solver=rk5", "'rk5' is unknown"),
    ],
)
def test_ablate_refuses(tmp_path, vary, says):
    refused("ablate", "--vary", vary, "--out", tmp_path / "a", says=says)
    assert not (tmp_path / "a").exists()
