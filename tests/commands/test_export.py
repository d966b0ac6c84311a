"""`export`: what it writes, that it is read back everywhere, and how it answers damaged files."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from commandline import call, done, refused
from gyrax.planning import Agent
from gyrax.runtime.safetensors import read_tensors, write_tensors
from gyrax.training.checkpoint import SYSTEM, open_checkpoint

ARRAYS = {
    "half": np.arange(3, dtype=np.float16),
    "number": np.array(7, np.int64),
    "none": np.zeros((0, 4), np.float32),
    "layers[0].weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "mask": np.array([True, False]),
}


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A copy of the shared run, to leave reports in."""
    return shutil.copytree(trained.out, tmp_path_factory.mktemp("exports") / "run")


@pytest.fixture(scope="module")
def exported(run, tiny_folder):
    """The run's model, exported after it was evaluated."""
    evaluation = ["evaluate", "--checkpoint", run, "--data", tiny_folder, "--json"]
    done(*evaluation, "--no-baselines", "--long", 0)
    printed = done("export", run, "--out", run.parent / "model")
    assert "model: " in printed and "card: " in printed
    return run.parent / "model"


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "model")


def test_what_it_writes(exported, run):
    assert {p.name for p in exported.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "figure.png"
    }  # fmt: skip
    there, here = open_checkpoint(run), open_checkpoint(exported)
    wanted = {k: v for k, v in there.arrays.items() if k.split(".")[1 if k[0] == "." else 0] in (
        "system", "normaliser", "support")}  # fmt: skip
    assert here.arrays.keys() == wanted.keys() and any(k.startswith(SYSTEM) for k in wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(here.arrays[name], array, strict=True)
    assert here.meta == there.meta._replace(source=here.meta.source, asked="")
    assert here.meta.frames == 144 and here.meta.episodes == 6
    assert here.meta.source == "tiny"  # nothing of the place where it was trained


def test_the_card(exported, run):
    card = (exported / "README.md").read_text()
    for text in (
        "license: apache-2.0", "(figure.png)", "144 frames of 6 episodes", "| `--latent-dim` | 24 | 3 |",
        "| model | ", "observation.state.joint_0", "@software{gyrax", "1 test episodes",
    ):  # fmt: skip
        assert text in card, text
    report = json.loads((run / "report.json").read_text())
    assert f"| {report['model']['feature_rmse_mean']:.4f} |" in card
    assert str(run.parent) not in card and "\n\n\n" not in card


def test_a_card_of_another_checkpoint_has_no_results_and_no_figure(run, exported, tmp_path):
    done("export", run / "p2_epoch_00001", "--out", tmp_path / "m", "--license", "cc-by-4.0")
    card = (tmp_path / "m" / "README.md").read_text()
    assert "It was not evaluated" in card and "license: cc-by-4.0" in card
    assert not (tmp_path / "m" / "figure.png").exists()


def test_it_is_read_back_wherever_a_checkpoint_is(copy, exported, run, tiny_folder, tmp_path):
    evaluation = ["--data", tiny_folder, "--json", "--no-baselines", "--long", 0]
    found = [
        json.loads(call("evaluate", "--checkpoint", path, *evaluation).stdout)
        for path in (run, copy, copy / "model.safetensors")
    ]
    assert found[0]["model"] == found[1]["model"] == found[2]["model"]
    assert (copy / "report.html").is_file()
    again = done("export", copy, "--out", tmp_path / "again")
    assert "again" in again
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()
    assert Agent(copy).robot.columns == Agent(run).robot.columns
    chains = ["--potential", "world-model", "--checkpoint", copy, "--chains", 4, "--steps", 200]
    done("simulate", *chains, "--out", tmp_path / "s")
    refused("ablate", "--encoder", copy, "--latent-dim", 4, says="--latent-dim 3, not 4")


def test_training_goes_on_from_it_with_the_next_phase(run, copy, tiny_folder, tmp_path):
    done("export", run / "p2_epoch_00001", "--out", tmp_path / "m")
    command = ["train", "--phase", 3, "--data", tiny_folder, "--phase3-epochs", 1]
    done(*command, "--resume", tmp_path / "m", "--out", tmp_path / "finer")
    assert (tmp_path / "finer" / "p3_epoch_00000").is_dir()
    refused(*command, "--resume", tmp_path / "m", says="holds an exported model; .* --out")
    refused(
        "train", "--resume", copy, "--data", tiny_folder, "--out", tmp_path / "on",
        "--phase3-epochs", 9, says="exported model, without the optimiser's state",
    )  # fmt: skip
    refused(
        "train", "--data", tiny_folder, "--out", copy, "--overwrite", says="holds an exported model"
    )


def reordered(file, change):
    arrays = read_tensors(file)
    change(arrays)
    write_tensors(file, arrays)


def header(file, change):
    """Change a file's header, and leave its data."""
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    table = json.loads(content[8:end])
    change(table)
    text = json.dumps(table).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def put(name, value):
    return lambda arrays: arrays.update({name: value})


BIAS = ".system.encoder.first_gate.bias"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:-100]), "cut short"),
        (lambda f: f.write_bytes(f.read_bytes()[:500]), "fewer than its header says"),
        (lambda f: f.write_bytes(b""), "is damaged"),
        (lambda f: f.write_bytes(b"\xff" * 100), "fewer than its header says"),
        (lambda f: f.write_bytes(f.read_bytes() + b"more"), "4 bytes at its end"),
        (lambda f: f.write_bytes((9).to_bytes(8, "little") + b"not json "), "header is not JSON"),
        (lambda f: f.write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000), "not JSON"),
        (lambda f: header(f, lambda h: h.update({"../../outside": h.pop(BIAS)})), "like a path"),
        (lambda f: header(f, lambda h: h.update({"/etc/passwd": h.pop(BIAS)})), "like a path"),
        (lambda f: header(f, lambda h: h[BIAS].update(shape=[3])), "bias' has bytes"),
        (lambda f: header(f, lambda h: h[BIAS].update(shape=[-2])), "two offsets"),
        (lambda f: header(f, lambda h: h[BIAS].update(dtype="O")), "two offsets"),
        (lambda f: header(f, lambda h: h[BIAS].update(data_offsets=[0, 8])), "has bytes 0 to 8"),
        (lambda f: header(f, lambda h: h.update({BIAS: 3})), "two offsets"),
        (lambda f: reordered(f, put(BIAS, np.zeros(3, np.float32))), "another architecture"),
        (lambda f: reordered(f, lambda a: a.pop(BIAS)), "holds nothing under"),
        (lambda f: reordered(f, put("pickle", np.zeros(3))), "no part of a model"),
        (lambda f: reordered(f, put("normaliser.feature_std", np.zeros(3))), "different models"),
        (lambda f: reordered(f, lambda a: a.pop("support.means")), "different models"),
        (lambda f: reordered(f, put("normaliser.history", np.array([2, 2]))), "different models"),
        (lambda f: reordered(f, put("normaliser.history", np.array(2))), "different models"),
    ],
)  # fmt: skip
def test_damaged_arrays(copy, tiny_folder, damage, says):
    damage(copy / "model.safetensors")
    line = refused("evaluate", "--checkpoint", copy, "--data", tiny_folder, says=says)
    assert "model.safetensors: " in line


def config(**values):
    def damage(file):
        table = json.loads(file.read_text()) | values
        file.write_text(json.dumps({k: v for k, v in table.items() if v is not ...}))

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: f.unlink(), r"cannot be read \(FileNotFoundError\)"),
        (lambda f: f.write_text("{"), r"cannot be read \(JSONDecodeError\)"),
        (lambda f: f.write_text("[]"), "is not a JSON object"),
        (config(columns=...), "lacks 'columns'"),
        (config(columns="abc"), "has 'abc' as 'columns'"),
        (config(phase="2"), "has '2' as 'phase'"),
        (config(loader="os.system"), "has 'loader', which gyrax does not know"),
        (config(columns=["a"]), "different models"),
        (config(format=1), "older version"),
        (config(settings={}), "lacks data, encoder"),
        (config(settings={"data": 3}), "lacks encoder"),
    ],
)  # fmt: skip
def test_damaged_config(copy, tiny_folder, damage, says):
    damage(copy / "config.json")
    refused("evaluate", "--checkpoint", copy, "--data", tiny_folder, says=says)


def test_refused_exports(run, exported, tmp_path):
    out = tmp_path / "m"
    broken = shutil.copytree(run / "p2_epoch_00001", tmp_path / "p2_epoch_00001")
    for file in (broken / "arrays").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:20])
    refused("export", broken, "--out", out, says="p2_epoch_00001: cannot be read")
    refused("export", tmp_path / "nowhere", "--out", out, says="no such checkpoint")
    refused("export", run, "--out", exported, says="is there already")
    refused("export", run, "--out", out, "--license", "MIT\nx: y", says="--license is")
    nan = shutil.copytree(exported, tmp_path / "nan")
    reordered(nan / "model.safetensors", put(BIAS, np.full(2, np.nan, np.float32)))
    refused("export", nan, "--out", out, says="not finite")
    shutil.copytree(exported, tmp_path / "report")
    (tmp_path / "report" / "report.json").write_text("{")
    refused("export", tmp_path / "report", "--out", out, says="report.json: is damaged")
    assert not out.exists() and not list(tmp_path.glob(".m*"))


def test_the_library_reads_what_is_written_and_the_reverse(tmp_path, exported):
    write_tensors(tmp_path / "own", ARRAYS)
    for name, array in read_tensors(tmp_path / "own").items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(ARRAYS, tmp_path / "theirs")
    for loaded in (library.load_file(tmp_path / "own"), read_tensors(tmp_path / "theirs")):
        assert loaded.keys() == ARRAYS.keys()
        for name, array in loaded.items():
            np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
    assert library.load_file(exported / "model.safetensors").keys() == read_tensors(
        exported / "model.safetensors"
    ).keys()  # fmt: skip


def test_the_hub_s_local_layout(exported, tiny_folder, tmp_path):
    """A download is a folder of links into a folder of blobs; the card has the head that the Hub asks for."""
    library = pytest.importorskip("huggingface_hub")
    card = library.ModelCard.load(exported / "README.md")
    assert card.data.license == "apache-2.0" and "world-model" in card.data.tags
    base, commit = tmp_path / "hub" / "models--someone--arm", "0" * 40
    snapshot = base / "snapshots" / commit
    for folder in (base / "blobs", base / "refs", snapshot):
        folder.mkdir(parents=True)
    (base / "refs" / "main").write_text(commit)
    for file in exported.iterdir():
        shutil.copyfile(file, base / "blobs" / file.stem)
        (snapshot / file.name).symlink_to(f"../../blobs/{file.stem}")
    found = library.snapshot_download(
        "someone/arm", cache_dir=tmp_path / "hub", local_files_only=True
    )
    read = open_checkpoint(Path(found))
    assert read.meta == open_checkpoint(exported).meta


def test_push(run, tmp_path, monkeypatch):
    library = pytest.importorskip("huggingface_hub")
    told = []

    class Api:
        def create_repo(self, name, **kwargs):
            told.append((name, kwargs))
            return "https://hub/someone/arm"

        def upload_folder(self, **kwargs):
            told.append({**kwargs, "files": {p.name for p in kwargs["folder_path"].iterdir()}})

    monkeypatch.setattr(library, "HfApi", Api)
    out = tmp_path / "m"
    printed = done("export", run, "--out", out, "--push", "someone/arm")
    assert "pushed: https://hub/someone/arm" in printed
    assert told[0] == ("someone/arm", {"private": True, "exist_ok": True})
    assert told[1]["repo_id"] == "someone/arm" and "model.safetensors" in told[1]["files"]
    assert "# someone/arm" in (out / "README.md").read_text()
    says = "--push is 'a/b/c', not a repository's name"
    refused("export", run, "--out", tmp_path / "n", "--push", "a/b/c", says=says)

    def fails(self, name, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr(Api, "create_repo", fails)
    says = r"failed \(ConnectionError: no network\); .*n is written"
    refused("export", run, "--out", tmp_path / "n", "--push", "someone/arm", says=says)
    assert (tmp_path / "n" / "model.safetensors").is_file()


def test_push_without_the_library(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    flags = ["--out", tmp_path / "m", "--push", "someone/arm"]
    refused("export", run, *flags, says=r"not installed; pip install 'gyrax\[hub\]'")
    assert not (tmp_path / "m").exists()
