"""Training on several devices and in several processes is training on one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tiny import TINY

CLI = Path(__file__).parents[2] / "cli.py"
SETTINGS = TINY | {"phase1_epochs": 1, "phase2_epochs": 1, "wm_T_c": 0.1, "batch_size": 16}


def command(data, out, *more):
    flags = [x for k, v in SETTINGS.items() for x in (f"--{k.replace('_', '-')}", str(v))]
    preset = [] if "--resume" in more else ["--preset", "document"]
    return [sys.executable, str(CLI), "train", "--phase", "2", *preset, "--device", "cpu",
            "--data", str(data), "--out", str(out), *flags, *more]  # fmt: skip


def start(devices, *args):
    # In double precision, where another order of sums is no visible difference.
    env = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_ENABLE_X64": "1"}
    env["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
    return subprocess.Popen(
        command(*args), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(*processes):
    for process in processes:
        text, _ = process.communicate(timeout=500)
        assert process.returncode == 0, text


def losses(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_folder):
    """One run on one device, and the same in two processes of two devices each."""
    folder = tmp_path_factory.mktemp("parallel")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    finish(start(1, tiny_folder, folder / "one"))
    finish(
        *(
            start(2, tiny_folder, folder / "four", "--coordinator", f"localhost:{port}",
                  "--num-processes", "2", "--process-id", str(i))
            for i in range(2)
        )
    )  # fmt: skip
    return folder


@pytest.mark.slow
def test_two_processes_of_two_devices_give_the_losses_of_one(runs):
    one, four = losses(runs / "one"), losses(runs / "four")
    assert [r["phase"] for r in four] == [1, 2]
    for a, b in zip(one, four, strict=True):
        for name in a.keys() - {"seconds"}:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.slow
def test_a_run_of_four_devices_goes_on_with_one(runs, tiny_folder):
    more = ["--resume", str(runs / "four"), "--phase2-epochs", "2"]
    finish(start(1, tiny_folder, runs / "four", *more))
    assert (runs / "four" / "p2_epoch_00001").is_dir()
    assert len(losses(runs / "four")) == 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--num-processes", "2"], "belong together"),
        (["--coordinator", "localhost:1", "--num-processes", "2", "--process-id", "2"], "from 0"),
    ],
)
def test_incomplete_flags_are_one_line(tmp_path, tiny_folder, flags, words):
    made = subprocess.run(
        command(tiny_folder, tmp_path / "run", *flags), capture_output=True, text=True
    )
    assert made.returncode == 2
    assert words in made.stderr and made.stderr.count("\n") == 1


def test_a_batch_that_devices_cannot_share_is_refused(tmp_path, tiny_folder):
    process = start(3, tiny_folder, tmp_path / "run")
    text, _ = process.communicate(timeout=100)
    assert process.returncode == 2 and "multiple of the 3 devices" in text
