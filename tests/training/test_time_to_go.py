"""Training with a distance that tells time, and its evaluation, as a person runs them."""

import json

import numpy as np
import pytest
from scipy import stats

from commandline import FLAGS, call, done, refused
from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder
from gyrax.evaluation.distances import distortion, spearman
from gyrax.training.checkpoint import open_checkpoint

REACH = ["--w-reach", 1, "--encoder-waves", 16, "--phase1-epochs", 3, "--phase2-epochs", 0]


@pytest.fixture(scope="module")
def told(tiny_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("reach") / "run"
    done("train", "--data", tiny_folder, "--out", out, "--phase", 1, *FLAGS, *REACH)
    return out


def test_the_scale_of_time_is_trained_and_kept(told):
    """It starts where half a frame passes between neighbours, and moves; so does the multiplier."""
    system = open_checkpoint(told).system()
    assert system.encoder.waves is not None and system.time_to_go is not None
    assert abs(float(system.time_to_go.log_frames)) > 0.1
    assert float(system.time_to_go.log_multiplier) != pytest.approx(np.log(10.0), abs=1e-4)
    log = [json.loads(line) for line in (told / "log.jsonl").read_text().splitlines()]
    values = [entry["reach"] for entry in log if "reach" in entry]
    assert values[-1] < values[0]


def test_distances_are_ranked_with_time(told, tiny_folder):
    command = ["evaluate", "--checkpoint", told, "--data", tiny_folder, "--json", "--long", 0]
    result = call(*command, "--distances", "--no-baselines")
    assert result.exit_code == 0, (result.output, result.exception)
    found = json.loads(result.stdout)["distances"]
    assert set(found["rows"]) == {"latent", "features"}
    bands = found["frames"]
    assert bands["near"][0] >= 2 and bands["near"][1] <= bands["middle"][0] <= bands["far"][1]
    for row in found["rows"].values():
        for mean, low, high in (*row["spearman"].values(), row["distortion"]):
            assert low <= mean <= high
        assert row["spearman"]["all"][0] > 0.2  # a sine's states part before they come back


def test_ranks_and_distortion():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 50).astype(float), rng.normal(size=50)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert spearman(np.ones(4), np.arange(4.0)) == 0.0
    assert distortion(3.0 * np.arange(1.0, 9.0), np.arange(1.0, 9.0)) == pytest.approx(
        0.0, abs=1e-12
    )


def test_shuffled_frames_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    keys = ("observation.state", "action")
    features = {key: Feature("float32", (6,), tuple("abcdef")) for key in keys}
    noise = lambda: {key: rng.normal(size=(24, 6)).astype(np.float32) for key in keys}
    data, out = tmp_path / "data", tmp_path / "run"
    episodes = ((noise(), "t") for _ in range(6))
    write_folder(data, robot="r", fps=30, features=features, episodes=episodes)
    refused("train", "--data", data, "--out", out, *FLAGS, *REACH, says="as unlike as any two")
    assert not out.exists()
