"""The command line under attack: what a command did, and what must hold of every answer."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gyrax.training.checkpoint import checkpoints_in, open_checkpoint
from gyrax.training.log import read_log
from tiny import TINY

ROOT = Path(__file__).parents[2]
SHORT = TINY | {"phase1_epochs": 4, "phase2_epochs": 3, "save_every": 2}
FLAGS = [f"--{k.replace('_', '-')}={v}" for k, v in SHORT.items()]


@dataclass(frozen=True)
class Answer:
    """What a command did: its exit code (negative: the signal that ended it), what it printed, and how
    many changes of files it made."""

    arguments: list[str]
    code: int
    stdout: str
    stderr: str
    changes: int

    @property
    def killed(self) -> bool:
        return self.code < 0

    def done(self) -> "Answer":
        assert self.code == 0, self
        return self

    def refused(self) -> str:
        """The one line of a refusal."""
        lines = self.stderr.strip().splitlines()
        assert self.code == 2 and len(lines) == 1 and lines[0].startswith("error: "), self
        return lines[0]


class Forks:
    """A process of `launcher.py`, by which commands run."""

    def __init__(self, folder: Path):
        self.folder, self.number = folder, 0
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
        env["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
        command = [sys.executable, str(Path(__file__).parent / "launcher.py")]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process = subprocess.Popen(command, env=env, cwd=folder, text=True, **pipes)

    def _ask(self, request: dict) -> dict:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def start(
        self, *arguments, folder="/", kill_at=None, largest_file=None, environment=None
    ) -> "Started":
        """Start a command that is killed before one of its changes of files under `folder`, or cannot write
        a file beyond a size."""
        self.number += 1
        printed = {name: str(self.folder / f"{name}{self.number}") for name in ("stdout", "stderr")}
        request = dict(
            arguments=[str(a) for a in arguments], folder=str(folder), kill_at=kill_at,
            largest_file=largest_file, environment=environment or {}, **printed,
        )  # fmt: skip
        return Started(self, request, self._ask(request)["child"])

    def run(self, *arguments, **how) -> Answer:
        return self.start(*arguments, **how).wait()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True)
class Started:
    """A command that runs."""

    forks: Forks
    request: dict
    child: int

    def wait(self) -> Answer:
        ended = self.forks._ask({"wait": self.child})
        texts = (Path(self.request[n]).read_text(errors="replace") for n in ("stdout", "stderr"))
        return Answer(self.request["arguments"], ended["code"], *texts, ended["changes"])


def continued(line: str) -> list[str]:
    """The command that a refusal tells to go on with."""
    words = shlex.split(line.split("`")[1])
    assert words[:2] == ["python", "cli.py"], line
    return words[2:]


def train_to_the_end(forks: Forks, run: Path, command: list, draw, kills: int) -> int:
    """Train, killed at moments that `draw` chooses; what is killed is started again as a person would, by the
    command that the refusal tells. Returns how often it was killed."""
    arguments, killed = command, 0
    while True:
        kill_at = draw() if killed < kills else None
        answer = forks.run(*arguments, folder=run, kill_at=kill_at)
        if answer.killed:
            killed += 1
        elif answer.code == 0 or "nothing is left to train" in (line := answer.refused()):
            return killed
        else:
            arguments = continued(line)


def facts_of(run: Path) -> dict:
    """All of a run that must not depend on kills: settings, log without times, final checkpoints."""
    records, damaged = read_log(run / "log.jsonl")
    assert not damaged
    last = {path.name[:2]: path for path in checkpoints_in(run)}
    arrays = {}
    for name, path in last.items():
        checkpoint = open_checkpoint(path)
        arrays |= {f"{name}{key}": array for key, array in checkpoint.arrays.items()}
        arrays[f"{name}.epochs"] = np.asarray(checkpoint.meta.epochs)
    for record in records:
        del record["seconds"]
    return {"config": (run / "config.json").read_text(), "log": records, "arrays": arrays}


def assert_same(run: Path, undisturbed: Path) -> None:
    found, wanted = facts_of(run), facts_of(undisturbed)
    assert found["config"] == wanted["config"] and found["log"] == wanted["log"]
    assert found["arrays"].keys() == wanted["arrays"].keys()
    for name, array in wanted["arrays"].items():
        np.testing.assert_array_equal(found["arrays"][name], array, err_msg=name)
    hidden = [path.name for path in run.iterdir() if path.name.startswith(".")]
    assert hidden == []
