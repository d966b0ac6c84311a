"""`evaluate` and `ablate` as a person runs them, on small data."""

import json

import cli
import numpy as np
import pytest
from typer.testing import CliRunner

from gyrax.evaluation.scores import ORDER
from tiny import TINY

runner = CliRunner()
FLAGS = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items()]
NOISY = ["--wm-T-c=0.05", "--wm-learn-temperature", "--w-energy-score=1"]


def call(*args):
    return runner.invoke(cli.app, [str(a) for a in args])


def refused(*args, says):
    result = call(*args)
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2 and len(lines) == 1, (result.output, result.exception)
    assert says in lines[0], lines[0]


@pytest.fixture(scope="module")
def trained(tiny_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    result = call("train", "--phase", 2, "--data", tiny_folder, "--out", out, *FLAGS, *NOISY)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def evaluated(trained, tiny_folder):
    command = ["evaluate", "--checkpoint", trained, "--data", tiny_folder, "--json", "--long", 9]
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
        gap = block["differences"]["gru"]["geodesic"]
        want = np.subtract(block["model"]["geodesic"], block["gru"]["geodesic"])
        np.testing.assert_allclose(gap, want, atol=1e-9)
    found = report["uncertainty"]
    assert found["temperature"][0] > 0 and found["temperature"][0] != pytest.approx(0.05, abs=1e-5)
    assert np.all(np.array(found["coverage"]["90"]) >= np.array(found["coverage"]["50"]))


def test_report_page(evaluated, trained):
    page = (trained / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 7 and "flat twin" in page
    assert "://" not in page and "<script" not in page  # "http" may stand in the base64 of a figure


def test_cached_baselines_give_the_same_numbers(evaluated, trained):
    command, first = evaluated
    files = sorted((trained / "baselines").glob("*.npz"))
    assert [f.name.split("-")[0] for f in files] == ["flat_twin", "gru", "mlp"]
    written = [f.stat().st_mtime_ns for f in files]
    files[2].write_bytes(files[2].read_bytes()[:50])
    result = call(*command)
    again = json.loads(result.stdout)
    assert "mlp is trained again" in result.stderr.replace("\n", " ")
    assert [f.stat().st_mtime_ns for f in files][:2] == written[:2]
    for name in ORDER:
        assert again[name] == first[name], name


def test_evaluate_refuses(trained, tiny_folder):
    command = ["evaluate", "--checkpoint", trained, "--data", tiny_folder]
    refused(*command, "--seeds", 0, says="--seeds is 0")
    refused(*command, "--samples", 4, says="--samples is 4; give 10 or more")
    refused(
        "train", "--w-energy-score", 1, "--wm-T-c", 0, says="--w-energy-score has nothing to score"
    )
    refused("train", "--wm-learn-temperature", says="--wm-learn-temperature without")


def test_ablation_goes_on_where_it_stopped(trained, tiny_folder, tmp_path):
    command = ["ablate", "--encoder", trained, "--data", tiny_folder, "--out", tmp_path / "a"]
    command += ["--vary", "solver=boa,aboba", "--seeds", 1]
    result = call(*command)
    assert result.exit_code == 0, (result.output, result.exception)
    rows = json.loads((tmp_path / "a" / "table.json").read_text())["rows"]
    assert [r["variant"] for r in rows] == ["reference", "solver=aboba"]
    np.testing.assert_allclose(rows[1]["difference"], rows[1]["error"] - rows[0]["error"])
    for name in ("table.md", "table.csv", "ablation.png"):
        assert (tmp_path / "a" / name).stat().st_size > 100
    cells = {f: f.stat().st_mtime_ns for f in (tmp_path / "a" / "cells").iterdir()}
    next(f for f in cells if "aboba" in f.name).unlink()
    again = call(*command)
    assert "reference: done already" in again.output and again.exit_code == 0
    kept = {f: f.stat().st_mtime_ns for f in (tmp_path / "a" / "cells").iterdir()}
    assert set(kept) == set(cells) and sum(kept[f] == cells[f] for f in cells) == 1
    assert json.loads((tmp_path / "a" / "table.json").read_text())["rows"] == rows
    refused(*command, "--wm-dt", 0.5, says="holds an ablation with another wm_dt")


def test_an_ablation_outlives_a_variant_that_diverges(trained, tiny_folder, tmp_path):
    command = ["ablate", "--encoder", trained, "--data", tiny_folder, "--phase2-epochs", 2]
    command += ["--seeds", 1]
    vary = ["--vary", "lr_wm=1e30,1e-3", "--out", tmp_path / "a"]
    for _ in range(2):
        result = call(*command, *vary)
        assert result.exit_code == 0, (result.output, result.exception)
        wild, tame = json.loads((tmp_path / "a" / "table.json").read_text())["rows"][1:]
        assert wild == {"variant": "lr_wm=1e30", "seeds": 1, "diverged": [0]} and tame["error"] > 0
    assert "lr_wm=1e30: done already" in result.output
    assert "diverged with seed 0" in (tmp_path / "a" / "table.md").read_text()
    reference = ["--lr-wm", "1e30", "--vary", "boris=off", "--out", tmp_path / "b"]
    refused(*command, *reference, says="the reference diverged with seed 0")


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        ("solver", "write NAME=VALUE,VALUE"),
        ("colour=red", "no such setting"),
        ("boris=maybe", "give on or off"),
        ("dt=small", "give float"),
        ("latent_dim=3,4", "share one encoder"),
        ("curvature=0.1", "give ball or flat"),
        ("solver=rk5", "'rk5' is unknown"),
    ],
)
def test_ablate_refuses(tmp_path, vary, says):
    refused("ablate", "--vary", vary, "--out", tmp_path / "a", says=says)
    assert not (tmp_path / "a").exists()
