"""Attacks on the commands: behind the marker `attack`, with a seed that replays them.

`GYRAX_ATTACK_SEED=7 python -m pytest -m attack tests/attack` repeats those of seed 7;
`GYRAX_ATTACK_CASES=200` makes so many of each kind.
"""

import os
import random
from pathlib import Path

import pytest
from answers import FLAGS, Forks

SEED = int(os.environ.get("GYRAX_ATTACK_SEED", random.randrange(10**6)))
HERE = Path(__file__).parent


def pytest_report_header() -> str:
    return f"attacks: GYRAX_ATTACK_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.attack)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Its own numbers for every test, whichever others run."""
    print(f"GYRAX_ATTACK_SEED={SEED}")  # shown where the test fails
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def cases() -> int | None:
    """How many cases of a kind: as many as the user says, or as the test takes."""
    given = os.environ.get("GYRAX_ATTACK_CASES")
    return None if given is None else int(given)


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory):
    started = Forks(tmp_path_factory.mktemp("forks"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def undisturbed(forks, tiny_folder, tmp_path_factory):
    """A run of phase 1 that nobody disturbed, and how many changes of files it made."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    command = ["train", "--phase", 1, "--data", tiny_folder, "--out", run, *FLAGS]
    return run, forks.run(*command, folder=run).done().changes
