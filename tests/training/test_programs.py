"""Epochs kept between runs: found again without tracing, and never where anything differs."""

import subprocess
import sys
from dataclasses import replace
from io import StringIO

import jax
import jax.random as jr
import numpy as np
import pytest
from rich.console import Console

from gyrax.data.frames import load_frames
from gyrax.training import programs
from gyrax.training.build import build_system
from gyrax.training.loop import Trainer
from gyrax.training.phases import make_phases
from gyrax.training.programs import Programs
from gyrax.training.settings import make_config
from tiny import TINY


@pytest.fixture(scope="module")
def frames(tiny_folder):
    return load_frames(tiny_folder)


class Setup:
    """Phase 1 of a tiny run, ready to be compiled as often as asked."""

    def __init__(self, frames, folder, **changes):
        self.config = make_config("default", TINY | changes)
        self.phase = make_phases(self.config)[1]
        self.trainer = Trainer(self.config, frames, folder / "run", Console(quiet=True))
        self.programs = Programs(folder / "epochs")
        self.lines = Console(record=True, file=StringIO())

    def start(self):
        system = build_system(self.config, self.trainer.x.shape[1], key=jr.key(0))
        return self.trainer.prepare(self.phase, system)

    def run(self, epoch=None, where=None):
        """The metrics of one epoch, compiled (or found) by `where`; `epoch` in place of the real one."""
        data, _, state, real, _ = self.start()
        where = where or self.programs
        sought = where.seek(self.config, self.phase, self.trainer.sizes())
        compiled = sought.compiled(epoch or real, data, state, self.lines)
        state, metrics = compiled(data, state)
        assert int(state.epoch) == 1
        return {name: float(value) for name, value in metrics.items()}

    def files(self):
        return sorted(self.programs.folder.glob("*"))


def untraceable(data, state):
    raise AssertionError("traced")


def test_a_kept_epoch_is_not_traced_and_computes_the_same(frames, tmp_path):
    setup = Setup(frames, tmp_path)
    with pytest.raises(AssertionError, match="traced"):
        setup.run(untraceable)
    plain, written = setup.run(where=Programs()), setup.run()
    assert len(setup.files()) == 1
    assert plain == written == setup.run(untraceable)


IN_A_PROCESS_OF_ITS_OWN = """
import sys
from pathlib import Path
import jax
import jax.numpy as jnp
from rich.console import Console
from gyrax.training.settings import make_config
from gyrax.training.phases import make_phases
from gyrax.training.programs import Programs

@jax.jit
def epoch(matrix, state):
    print("traced")
    return state, {"norm": jnp.sum(jnp.linalg.solve(matrix, state))}

config = make_config("default", {})
given = 4.0 * jnp.eye(5), jnp.ones(5)
sought = Programs(Path(sys.argv[1])).seek(config, make_phases(config)[1], [(5,)])
program = sought.compiled(epoch, *given, Console())
print(float(program(*given)[1]["norm"]))
"""


def test_a_kept_epoch_solves_linear_systems_in_another_process(tmp_path):
    """Where LAPACK was never asked for, a program that was not lowered there finds it all the same."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN, str(tmp_path)],
            capture_output=True, text=True, check=False,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [run.returncode for run in runs] == [0, 0], runs[-1].stderr
    assert [run.stdout.split() for run in runs] == [["traced", "1.25"], ["1.25"]]


def test_another_setting_shape_or_precision_is_another_program(frames, tmp_path):
    first = Setup(frames, tmp_path)
    first.run()
    for changes in (dict(lr=2e-3), dict(batch_size=16)):
        with pytest.raises(AssertionError, match="traced"):
            Setup(frames, tmp_path, **changes).run(untraceable)
    fewer = replace(frames, features=frames.features[:, :-1])
    with pytest.raises(AssertionError, match="traced"):
        Setup(fewer, tmp_path).run(untraceable)
    with jax.default_matmul_precision("bfloat16"), pytest.raises(AssertionError, match="traced"):
        first.run(untraceable)


def test_changed_source_is_another_program(frames, tmp_path, monkeypatch):
    setup = Setup(frames, tmp_path)
    setup.run()
    copy = tmp_path / "package" / "training" / "programs.py"
    copy.parent.mkdir(parents=True)
    copy.write_text("changed = True")
    monkeypatch.setattr(programs, "__file__", str(copy))
    with pytest.raises(AssertionError, match="traced"):
        setup.run(untraceable)


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_program_is_said_and_replaced(frames, tmp_path, damage):
    setup = Setup(frames, tmp_path)
    expected = setup.run()
    (file,) = setup.files()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert setup.run() == expected
    assert "not a usable program" in setup.lines.export_text()
    assert setup.run(untraceable) == expected


def test_the_oldest_are_deleted(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "KEPT", 2)
    for rate in (1e-3, 2e-3, 3e-3):
        setup = Setup(frames, tmp_path, lr=rate)
        setup.run()
    assert len(setup.files()) == 2
    setup.run(untraceable)
    with pytest.raises(AssertionError, match="traced"):
        Setup(frames, tmp_path, lr=1e-3).run(untraceable)


def test_no_folder_keeps_nothing(frames, tmp_path):
    setup = Setup(frames, tmp_path)
    assert np.isfinite(setup.run(where=Programs())["loss"])
    assert not setup.programs.folder.exists()
