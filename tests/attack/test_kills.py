"""Commands killed before a random change of a file, started again, end as if nothing had been."""

import json
import os
import shutil
import signal
import time

import pytest
from answers import FLAGS, assert_same, continued, train_to_the_end


@pytest.fixture(scope="module")
def undisturbed_twice(forks, tiny_folder, tmp_path_factory):
    """The same of phases 1 and 2."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    command = ["train", "--phase", 2, "--data", tiny_folder, "--out", run, *FLAGS]
    return run, forks.run(*command, folder=run).done().changes


@pytest.mark.parametrize("phase", [1, 2])
def test_a_training_ends_the_same(forks, tiny_folder, tmp_path, rng, cases, request, phase):
    name = "undisturbed" if phase == 1 else "undisturbed_twice"
    whole, changes = request.getfixturevalue(name)
    left, chain = (cases or 2 if phase == 1 else (cases or 4) // 4), 0
    while left > 0:
        run = tmp_path / f"run{chain}"
        command = ["train", "--phase", phase, "--data", tiny_folder, "--out", run, *FLAGS]
        draw = lambda: rng.randrange(changes)
        left -= max(1, train_to_the_end(forks, run, command, draw, min(left, 5)))
        assert_same(run, whole)
        chain += 1


def test_a_training_that_is_asked_to_end(forks, tiny_folder, tmp_path, undisturbed):
    """It leaves a checkpoint and says how to go on, to the same end."""
    run = tmp_path / "run"
    command = ["train", "--phase", 1, "--data", tiny_folder, "--out", run, *FLAGS]
    started = forks.start(*command, folder=run)
    while not (run / "p1_epoch_00000").exists():
        time.sleep(0.005)
    os.kill(started.child, signal.SIGTERM)
    answer = started.wait()
    if answer.code:  # it may have ended before
        assert answer.code == 143 and answer.stderr.count("\n") <= 1, answer
        forks.run(*continued(answer.stdout.split("asked to end")[1]), folder=run).done()
    assert_same(run, undisturbed[0])


def test_a_run_that_is_replaced_is_there_or_the_new_one_is(
    forks, tiny_folder, tmp_path, rng, cases, undisturbed
):
    """With `--overwrite`, and from a checkpoint of the run itself."""
    whole, changes = undisturbed
    for case in range(cases or 1):
        run = tmp_path / f"run{case}"
        shutil.copytree(whole, run)
        command = ["train", "--resume", run / "p1_epoch_00001", "--phase", 1, "--data", tiny_folder]
        forks.run(*command, "--overwrite", folder=run, kill_at=rng.randrange(changes))
        assert (run / "p1_epoch_00001").is_dir()
        forks.run(*command, "--overwrite", folder=run)
        assert_same(run, whole)


COMMANDS = {
    "extract": ["extract", "--dataset", "DATA", "--backbone", "state", "--out", "OUT"],
    "simulate": ["simulate", "--steps", 20, "--chains", 4, "--out", "OUT"],
    "export": ["export", "RUN", "--out", "OUT"],
    "collect": ["collect", "--env", "gyrax/ArmPush-v0", "--episodes", 3, "--frames", 32, "--out", "OUT"],
    "simulate-data": ["simulate-data", "--episodes", 3, "--out", "OUT"],
    "ablate": ["ablate", "--encoder", "RUN", "--data", "DATA", "--seeds", 1, "--out", "OUT",
               "--vary", "control=off", "--phase2-epochs", 1],
    "evaluate": ["evaluate", "--checkpoint", "RUN", "--data", "DATA", "--no-baselines", "--long", 0],
    "plan": ["plan", "--checkpoint", "ARM", "--data", "MOVED", "--against", "none", "--episodes", 1,
             "--frames", 4, "--goal-frames", 12, "--samples", 4, "--iterations", 1,
             "--plan-horizon", 5, "--knots", 2],
}  # fmt: skip
LONG = ("ablate", "evaluate", "plan")
SIMULATED = ("collect", "simulate-data", "plan")
OUT = {"evaluate": "RUN", "plan": "ARM"}
"""What a command writes into, where it has no `--out`."""


def written(folder):
    """Text and data by name, without how long a plan took; pictures hold times."""
    kinds = (".npz", ".json", ".parquet", ".csv", ".md", ".safetensors", ".mp4")
    files = (file for file in folder.rglob("*") if file.suffix in kinds)
    found = {str(file.relative_to(folder)): file.read_bytes() for file in files}
    for name in ("report.json", "plan/report.json"):
        if name in found and "latency_ms" in (report := json.loads(found[name])):
            del report["latency_ms"]
            found[name] = report
    return found


@pytest.fixture(scope="module")
def moved(forks, tmp_path_factory):
    """What a planner needs: data of the simulated arm, and a run trained on them."""
    base = tmp_path_factory.mktemp("moved")
    collect = ["collect", "--env", "gyrax/ArmPush-v0", "--episodes", 6, "--frames", 32]
    forks.run(*collect, "--out", base / "data").done()
    train = ["train", "--phase", 2, "--data", base / "data", "--out", base / "run", *FLAGS]
    forks.run(*train, "--batch-size", 8).done()
    return {"MOVED": base / "data", "ARM": base / "run"}


@pytest.mark.parametrize("name", COMMANDS)
def test_other_commands_end_the_same(
    forks, tiny_folder, tmp_path, rng, cases, undisturbed, request, name
):
    if name in LONG and cases is None:
        pytest.skip("only with GYRAX_ATTACK_CASES")
    if name in SIMULATED:
        pytest.importorskip("mujoco")
        pytest.importorskip("gymnasium")
    place = {"DATA": tiny_folder, "RUN": undisturbed[0]}
    place |= request.getfixturevalue("moved") if name == "plan" else {}
    inside = OUT.get(name)
    if inside is not None:
        place[inside] = shutil.copytree(place[inside], tmp_path / "trained")

    def command(out):
        return [(place | {"OUT": out}).get(word, word) for word in COMMANDS[name]]

    out = place.get(inside, tmp_path / "out")
    whole = forks.run(*command(out), folder=tmp_path).done()
    wanted = written(out)
    for case in range(min(cases or 3, 50)):
        again = tmp_path / f"case{case}" / "out" if inside is None else out
        again.parent.mkdir(exist_ok=True)
        kill_at = rng.randrange(whole.changes)
        assert forks.run(*command(again), folder=tmp_path, kill_at=kill_at).killed
        answer = forks.run(*command(again))
        if answer.code and "--overwrite" in (line := answer.refused()):
            forks.run(*command(again), "--overwrite").done()
        elif answer.code:
            assert "there already" in line or "exists" in line  # all was done when it was killed
        assert written(again) == wanted, kill_at
        assert not [file for file in again.rglob(".*") if file.name != ".lock"]
        assert not [file for file in again.parent.glob(".out*")]
