"""Commands killed before a random change of a file, started again, end as if nothing had been."""

import shutil

import pytest
from answers import FLAGS, assert_same, train_to_the_end


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
    "ablate": ["ablate", "--encoder", "RUN", "--data", "DATA", "--seeds", 1, "--out", "OUT",
               "--vary", "control=off", "--phase2-epochs", 1],
    "evaluate": ["evaluate", "--checkpoint", "RUN", "--data", "DATA", "--no-baselines", "--long", 0],
}  # fmt: skip
LONG = ("ablate", "evaluate")


def written(folder):
    """Text and data by name; pictures hold times."""
    kinds = (".npz", ".json", ".parquet", ".csv", ".md")
    files = (file for file in folder.rglob("*") if file.suffix in kinds)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", COMMANDS)
def test_other_commands_end_the_same(forks, tiny_folder, tmp_path, rng, cases, undisturbed, name):
    if name in LONG and cases is None:
        pytest.skip("only with GYRAX_ATTACK_CASES")
    trained = tmp_path / "trained"
    shutil.copytree(undisturbed[0], trained)
    place = {"DATA": tiny_folder, "RUN": trained}

    def command(out):
        return [(place | {"OUT": out}).get(word, word) for word in COMMANDS[name]]

    out = trained if name == "evaluate" else tmp_path / "out"
    whole = forks.run(*command(out), folder=out).done()
    wanted = written(out)
    for case in range(min(cases or 3, 50)):
        again = out if name == "evaluate" else tmp_path / f"out{case}"
        kill_at = rng.randrange(whole.changes)
        assert forks.run(*command(again), folder=again, kill_at=kill_at).killed
        answer = forks.run(*command(again), folder=again)
        if answer.code:
            assert "--overwrite" in answer.refused()
            forks.run(*command(again), "--overwrite", folder=again).done()
        assert written(again) == wanted, kill_at
        assert not [file for file in again.rglob(".*") if file.name != ".lock"]
