"""The command line as a person types it: what works, and what every mistake is answered with."""

import json
import re
import shutil

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commandline import FLAGS, call, done, refused
from gyrax.data.windows import split_episodes
from gyrax.runtime.checksums import write_sums
from gyrax.training.checkpoint import FORMAT, open_checkpoint
from gyrax.training.presets import make_settings
from gyrax.training.trainer import plan_phases
from tiny import write_tiny


def test_what_a_run_leaves_and_says(trained):
    out, printed, compiled = trained
    assert compiled == 3  # each phase once, however many epochs, however short the last batch
    assert "running phases 1, 2, 3" in printed and "differs from the document" in printed
    for what in ("run folder:", "figure:", "checkpoint:"):
        assert what in printed
    *_, page, view, evaluate = printed.splitlines()
    assert page == f"page: {out / 'report_val.html'}" and (out / "report_val.html").is_file()
    assert view.startswith(f"next: gyrax view {out} --data ")
    assert evaluate.startswith(f"      gyrax evaluate --checkpoint {out} --data ")
    names = {p.name for p in out.iterdir()}
    checkpoints = {f"p{phase}_epoch_0000{epoch}" for phase in (1, 2, 3) for epoch in (0, 1)}
    assert {"config.json", "log.jsonl", "figure.png", *checkpoints} <= names
    assert (out / "figure.png").stat().st_size > 20_000


def test_folders_that_would_lose_something(trained, tiny_folder, tmp_path):
    out = trained.out
    before = sorted(p.name for p in out.rglob("*"))
    line = refused("train", "--data", tiny_folder, "--out", out, *FLAGS, says="already holds a run")
    asked = open_checkpoint(out).meta.asked
    assert asked.startswith("--phase all --data /")
    assert f"`python cli.py train --resume {out} {asked}`" in line
    refused(
        "train", "--phase", 2, "--data", tiny_folder, "--resume", out / "p1_epoch_00001",
        says="holds the checkpoint p3_epoch_00001.*--overwrite",
    )  # fmt: skip
    assert sorted(p.name for p in out.rglob("*")) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    refused(
        "train", "--data", tiny_folder, "--out", tmp_path / "other", *FLAGS, says="is not empty"
    )
    (tmp_path / "file").write_text("precious")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        refused("train", "--data", tiny_folder, "--out", out, *FLAGS, says="file: is a file")
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
        (["--phase1-epochs=0", "--phase2-epochs=0", "--phase3-epochs=0"],
         "nothing is left to train; raise --phase1-epochs or --phase2-epochs or --phase3-epochs"),
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
        (lambda d: edit_column(d, "action", put(slice(None), slice(None), 0.0)),
         "every action column is constant over the training episodes"),
        (lambda d: next((d / "data").rglob("*.parquet")).write_bytes(b"PAR1 and no more"), "parquet"),
        (lambda d: (d / "meta/info.json").write_text(
            (d / "meta/info.json").read_text().replace("v3.0", "v9.9")), "v9.9"),
    ],
    ids=["no-meta", "nan", "constant", "truncated", "version"],
)  # fmt: skip
def test_bad_data(tmp_path, damage, says):
    data = write_tiny(tmp_path / "data")
    damage(data)
    refused("train", "--data", data, "--out", tmp_path / "run", *FLAGS, says=says)
    assert not (tmp_path / "run").exists()


def test_constant_columns_are_left_out_and_named(tmp_path):
    """One of them moves in the validation episode, of which there is one."""
    data, out = write_tiny(tmp_path / "data"), tmp_path / "run"
    others = np.repeat(np.arange(6), 24) != split_episodes(6)["val"]
    edit_column(data, "observation.state", put(others, 2, 1.5))
    edit_column(data, "observation.environment_state", put(slice(None), 1, 0.0))
    edit_column(data, "action", put(slice(None), 0, 0.25))
    moving = "observation.state.joint_2"
    names = f"{moving}, observation.environment_state.y, action.joint_0"
    flags = ["--phase1-epochs", 1, "--phase2-epochs", 1]
    printed = done("train", "--phase", 2, "--data", data, "--out", out, *FLAGS, *flags)
    line = (
        f"constant over the training episodes, so left out of the model and of all errors: {names}"
    )
    assert printed.splitlines().count(line) == 1
    warning = re.compile(f"^warning: constant .* not over the val episodes, .*: {moving}$", re.M)
    assert len(warning.findall(printed)) == 1

    checkpoint = open_checkpoint(out)
    assert checkpoint.meta.features == 6 and ", ".join(checkpoint.meta.constant) == names
    assert checkpoint.normaliser.kept.tolist() == [True, True, False, True, True, True, True, False]
    command = ["evaluate", "--checkpoint", out, "--data", data, "--no-baselines", "--long", 0]
    result = call(*command, "--split", "val", "--json")
    assert np.isfinite(json.loads(result.stdout)["model"]["feature_rmse"]).all()
    assert len(warning.findall(result.stderr)) == 1


def edit_meta(checkpoint, old, new):
    """As another version would have written it: the checksums agree."""
    file = checkpoint / "meta/metadata"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    write_sums(checkpoint)


def test_too_few_episodes(tmp_path):
    data = write_tiny(tmp_path / "data", count=2)
    refused("train", "--data", data, "--out", tmp_path / "r", *FLAGS, says="2 episodes.*at least 3")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: shutil.rmtree(c / "meta"), "p2_epoch_00001: cannot be read"),
        (lambda c: (c / "meta/metadata").write_text("{"), "p2_epoch_00001: cannot be read"),
        (lambda c: shutil.rmtree(c / "arrays"), "p2_epoch_00001: cannot be read"),
        (lambda c: [p.write_bytes(p.read_bytes()[:20]) for p in (c / "arrays").rglob("*")
                    if p.is_file()], "p2_epoch_00001: cannot be read"),
        (lambda c: edit_meta(c, '"d_model": 8', '"d_model": 16'), "another architecture"),
        (lambda c: edit_meta(c, f'"format": {FORMAT}', '"format": 3'), "older version of gyrax"),
        (lambda c: (c / "SHA256SUMS").unlink(), "has no SHA256SUMS, .* by an older version of gyrax"),
    ],
    ids=["no-meta", "half-meta", "no-arrays", "truncated", "architecture", "format", "old"],
)  # fmt: skip
def test_bad_checkpoint(trained, tiny_folder, tmp_path, damage, says):
    shutil.copytree(trained.out / "p2_epoch_00001", tmp_path / "p2_epoch_00001")
    damage(tmp_path / "p2_epoch_00001")
    refused(
        "evaluate", "--checkpoint", tmp_path / "p2_epoch_00001", "--data", tiny_folder, says=says
    )


def test_bad_evaluations(trained, tmp_path):
    out = trained.out
    refused("evaluate", "--checkpoint", tmp_path / "no", says="no such checkpoint")
    (tmp_path / "empty").mkdir()
    refused("evaluate", "--checkpoint", tmp_path / "empty", says="holds no checkpoint")
    refused("evaluate", "--checkpoint", out, "--split", "all", says="--split is 'all'")
    says = "has 26 features, the checkpoint was trained on 8"
    refused("evaluate", "--checkpoint", out, says=says)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--val-fraction=0.3"], "p1_epoch_00001: was trained with --val-fraction 0.1, not 0.3"),
        (["--latent-dim=5"], "--latent-dim 3, not 5"),
        (["--curvature=0.5"], "--curvature 1.0, not 0.5"),
        (["--action-history=1"], "--action-history 3, not 1"),
        (["--wm-d-model=16"], "--wm-d-model 8, not 16"),
        (["--wm-coordinate"], "--wm-orthonormal True, not False"),
        (["--preset=quick"], "--preset quick: .* leave --preset out"),
        (["--preset=nonsense"], "--preset nonsense: .* leave --preset out"),
    ],
)
def test_what_a_resumed_run_must_share(trained, tiny_folder, tmp_path, flags, says):
    """Other settings would make another system, or let the encoder have seen the episodes it is tested on."""
    run = ["--resume", trained.out / "p1_epoch_00001", "--out", tmp_path / "new", "--phase", 2]
    refused("train", *run, "--data", tiny_folder, *flags, says=says)
    assert not (tmp_path / "new").exists()


def test_a_run_does_not_go_on_with_another_data_set_of_the_same_width(trained, tmp_path):
    other = write_tiny(tmp_path / "other", seed=1)
    grown = write_tiny(tmp_path / "grown", count=8)
    for data in (other, grown):
        refused(
            "train", "--resume", trained.out / "p2_epoch_00001", "--phase", 3, "--out", tmp_path / "new",
            "--data", data, says=f"was trained on .*, whose frames are not those of {data}",
        )  # fmt: skip


@pytest.mark.parametrize("flag", ["--seed=1", "--batch-size=16", "--sequence-length=5"])
def test_order_and_noise_stay_in_the_middle_of_a_phase(trained, tiny_folder, tmp_path, flag):
    run = ["--resume", trained.out, "--out", tmp_path / "new", "--data", tiny_folder]
    more = ["--phase", 3, "--phase3-epochs", 3, flag]
    refused("train", *run, *more, says=f"in the middle of a phase begun with {flag.split('=')[0]}")


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
    understood as far as `--device cuda`."""
    if jax.default_backend() != "cpu":
        pytest.skip("this machine has a GPU")
    monkeypatch.chdir(tmp_path)
    says = "^error: --device cuda: JAX finds no"
    refused("train", *command.split(), "--data", tiny_folder, says=says)


def test_the_document_resumes_phase_2_to_train_phase_3(trained, tmp_path):
    """A checkpoint by the document's name of it, and what is left to train under the document's flags."""
    shutil.copytree(trained.out / "p2_epoch_00001", tmp_path / "p2_epoch_00049")
    meta = open_checkpoint(tmp_path / "p2_epoch_00049.pt").meta
    given = dict(phase1_epochs=0, phase2_epochs=0, phase3_epochs=100)
    assert plan_phases("all", make_settings(None, given, meta.settings), meta) == [3]


def test_phase_2_is_preceded_by_what_phase_1_lacks(trained):
    """So that a run killed in phase 1 goes on under the flags that it was begun with."""
    meta = open_checkpoint(trained.out / "p1_epoch_00000").meta
    assert plan_phases("2", meta.settings, None) == [1, 2]
    assert plan_phases("2", meta.settings, meta) == [1, 2]
    assert plan_phases("2", meta.settings, meta._replace(epochs=2)) == [2]
    assert plan_phases("2", meta.settings, meta._replace(phase=2, epochs=1)) == [2]


@pytest.mark.parametrize("flag", [["--episodes", "0"], ["--seed", "-1"]])
def test_simulate_data_refuses_unusable_numbers(tmp_path, flag):
    refused("simulate-data", "--out", tmp_path / "d", *flag, says=f"{flag[0]} is {flag[1]}")


def test_simulate_data_needs_an_empty_place(tiny_folder):
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    refused("simulate-data", "--out", tiny_folder, "--episodes", 1, says=str(tiny_folder))
