"""The command line as a person types it: what works, and what every mistake is answered with."""

import json
import re
import shutil

import cli
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tiny import TINY, write_tiny

runner = CliRunner()
FLAGS = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items()]


def call(*args):
    return runner.invoke(cli.app, [str(a) for a in args])


def refused(*args, says):
    """The command ends with code 2 and one line that matches; returns the line."""
    result = call(*args)
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert len(lines) == 1, lines
    assert re.search(says, lines[0]), lines[0]
    return lines[0]


@pytest.fixture(scope="module")
def trained(tiny_folder, tmp_path_factory):
    """What `train --phase 2` leaves behind."""
    out = tmp_path_factory.mktemp("runs") / "run"
    result = call("train", "--phase", 2, "--data", tiny_folder, "--out", out, *FLAGS)
    assert result.exit_code == 0, result.output
    return out, result.output


def test_train_trains_the_encoder_first(trained):
    out, printed = trained
    assert "no encoder yet" in printed and "changes of the specification" in printed
    for what in ("run folder:", "figure:", "checkpoint:"):
        assert what in printed
    names = {p.name for p in out.iterdir()}
    assert {"config.json", "log.jsonl", "figure.png", "p1_epoch_00001", "p2_epoch_00001"} <= names
    assert (out / "figure.png").stat().st_size > 20_000


def test_evaluate_json(trained, tiny_folder):
    out, _ = trained
    result = call("evaluate", "--checkpoint", out, "--data", tiny_folder, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    steps = TINY["sequence_length"] - 1
    assert report["horizon"] == list(range(1, steps + 1)) and len(report["skill"]) == steps
    for name in ("model", "persistence", "ridge"):
        for kind in ("geodesic", "feature_rmse"):
            values = report[name][kind]
            assert len(values) == steps and np.all(np.isfinite(values)) and min(values) > 0
    ratio = np.array(report["model"]["geodesic"]) / np.array(report["persistence"]["geodesic"])
    np.testing.assert_allclose(report["skill"], 1 - ratio)
    for name in ("chart_accuracy", "energy_drift", "jump_rate", "codebook_use", "near_boundary"):
        assert np.isfinite(report[name]), name
    assert report["split"] == "test" and report["episodes"] == 1


def test_folders_that_would_lose_something(trained, tiny_folder, tmp_path):
    out, _ = trained
    before = sorted(p.name for p in out.rglob("*"))
    refused(
        "train", "--data", tiny_folder, "--out", out, *FLAGS, says="already holds a run.*--resume"
    )
    refused(
        "train", "--phase", 2, "--data", tiny_folder, "--resume", out / "p1_epoch_00001",
        says="holds the checkpoint p2_epoch_00001.*--overwrite",
    )  # fmt: skip
    assert sorted(p.name for p in out.rglob("*")) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    refused(
        "train", "--data", tiny_folder, "--out", tmp_path / "other", *FLAGS, says="is not empty"
    )
    (tmp_path / "file").write_text("precious")
    refused("train", "--data", tiny_folder, "--out", tmp_path / "file", *FLAGS, says="is a file")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--phase", "4"], "--phase is '4'; give one of 1, 2, 3, all"),
        (["--solver", "rk5"], "solver 'rk5' is unknown"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--latent-dim", "-3"], "--latent-dim is -3"),
        (["--preset", "best"], "--preset is 'best'"),
        (["--device", "tpu"], "--device is 'tpu'"),
        (["--action-dim", "7"], "actions have 6 columns, --action-dim is 7; pass --action-dim 6"),
        (["--sequence-length", "40"], r"episode \d has 24 frames, a window needs 41"),
        (["--phase1-epochs=0", "--phase2-epochs=0", "--phase3-epochs=0"], "nothing is left to train"),
        (["--data", "nowhere"], "nowhere"),
        (["--resume", "nowhere"], "no such checkpoint or run folder"),
    ],
)  # fmt: skip
def test_bad_flags(tiny_folder, tmp_path, flags, says):
    out = tmp_path / "run"
    refused("train", "--data", tiny_folder, "--out", out, *FLAGS, *flags, says=says)
    assert not out.exists()


def edit_column(folder, name, change):
    file = next((folder / "data").rglob("*.parquet"))
    table = pq.read_table(file)
    at = table.column_names.index(name)
    import pyarrow as pa

    values = np.stack(table[name].to_pylist()).astype(np.float32)
    column = pa.array(list(change(values)), table.schema.field(name).type)
    pq.write_table(table.set_column(at, table.schema.field(name), column), file)


def put(row, column, value):
    def change(values):
        values[row, column] = value
        return values

    return change


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda d: shutil.rmtree(d / "meta"), "meta"),
        (lambda d: edit_column(d, "observation.state", put(5, 2, np.nan)), "state.*frame"),
        (lambda d: edit_column(d, "observation.state", put(slice(None), 2, 1.5)),
         "constant over the training episodes: observation.state.joint_2"),
        (lambda d: edit_column(d, "action", put(slice(None), 0, 0.0)),
         "constant over the training episodes: action.0"),
        (lambda d: next((d / "data").rglob("*.parquet")).write_bytes(b"PAR1 and no more"), "parquet"),
        (lambda d: (d / "meta/info.json").write_text(
            (d / "meta/info.json").read_text().replace("v3.0", "v9.9")), "v9.9"),
    ],
    ids=["no-meta", "nan", "constant-state", "constant-action", "truncated", "version"],
)  # fmt: skip
def test_bad_data(tmp_path, damage, says):
    data = write_tiny(tmp_path / "data")
    damage(data)
    refused("train", "--data", data, "--out", tmp_path / "run", *FLAGS, says=says)
    assert not (tmp_path / "run").exists()


def test_too_few_episodes(tmp_path):
    data = write_tiny(tmp_path / "data", count=2)
    refused("train", "--data", data, "--out", tmp_path / "r", *FLAGS, says="2 episodes.*at least 3")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: (c / "meta.json").unlink(), "meta.json: cannot be read"),
        (lambda c: (c / "meta.json").write_text("{"), "meta.json: cannot be read"),
        (lambda c: shutil.rmtree(c / "arrays"), "arrays cannot be read"),
        (lambda c: [p.write_bytes(p.read_bytes()[:20]) for p in (c / "arrays").rglob("*")
                    if p.is_file()], "arrays cannot be read"),
        (lambda c: (c / "meta.json").write_text(
            (c / "meta.json").read_text().replace('"wm_d_model": 8', '"wm_d_model": 16')),
         "another architecture"),
    ],
    ids=["no-meta", "half-meta", "no-arrays", "truncated", "architecture"],
)  # fmt: skip
def test_bad_checkpoint(trained, tiny_folder, tmp_path, damage, says):
    shutil.copytree(trained[0] / "p2_epoch_00001", tmp_path / "p2_epoch_00001")
    damage(tmp_path / "p2_epoch_00001")
    refused(
        "evaluate", "--checkpoint", tmp_path / "p2_epoch_00001", "--data", tiny_folder, says=says
    )


def test_bad_evaluations(trained, tiny_folder, tmp_path):
    out, _ = trained
    refused("evaluate", "--checkpoint", tmp_path / "no", says="no such checkpoint")
    (tmp_path / "empty").mkdir()
    refused("evaluate", "--checkpoint", tmp_path / "empty", says="holds no checkpoint")
    refused("evaluate", "--checkpoint", out, "--split", "all", says="--split is 'all'")
    refused(
        "evaluate", "--checkpoint", out, says="has 26 features, the checkpoint was trained on 8"
    )
    refused(
        "train",
        "--resume",
        out,
        "--data",
        tiny_folder,
        "--latent-dim",
        5,
        says="--latent-dim 3, not 5",
    )


SPECIFIED = {
    "minimal": "--phase1-epochs 0 --phase2-epochs 0 --phase3-epochs 500 --latent-dim 3 --num-charts 16 "
    "--codes-per-chart 64 --wm-d-model 128 --log-every 1 --save-every 20 --device cuda",
    "full": "--phase1-epochs 100 --phase2-epochs 50 --phase3-epochs 50 --latent-dim 16 "
    "--num-charts 8 --codes-per-chart 32 --hidden-dim 256 --wm-d-model 128 --log-every 5 "
    "--save-every 50 --device cuda",
    "resume": "--resume outputs/vla/joint/p2_epoch_00049.pt --phase1-epochs 0 --phase2-epochs 0 "
    "--phase3-epochs 100 --device cuda",
}


@pytest.mark.parametrize("command", SPECIFIED.values(), ids=SPECIFIED)
def test_the_documents_commands(command, trained, tiny_folder, tmp_path, monkeypatch):
    """The three training commands of the specification, flags unchanged. Where there is no GPU they are
    understood as far as `--device cuda`; on the CPU the same flags train."""
    import jax

    if jax.default_backend() != "cpu":
        pytest.skip("this machine has a GPU")
    monkeypatch.chdir(tmp_path)
    if "--resume" in command:
        shutil.copytree(trained[0] / "p2_epoch_00001", "outputs/vla/joint/p2_epoch_00049")
    refused(
        "train", *command.split(), "--data", tiny_folder, says="^error: --device cuda: JAX finds no"
    )
    if "--resume" in command:
        short = command.replace("cuda", "cpu").replace("100", "1").split()
        result = call("train", *short, "--data", tiny_folder)
        assert result.exit_code == 0, result.output
        assert (tmp_path / "outputs/vla/joint/p3_epoch_00000").is_dir()


@pytest.mark.parametrize("flag", [["--episodes", "0"], ["--seed", "-1"]])
def test_simulate_data_refuses_unusable_numbers(tmp_path, flag):
    refused("simulate-data", "--out", tmp_path / "d", *flag, says=f"{flag[0]} is {flag[1]}")


def test_simulate_data_needs_an_empty_place(tiny_folder):
    pytest.importorskip("mujoco")
    refused("simulate-data", "--out", tiny_folder, "--episodes", 1, says=str(tiny_folder))
