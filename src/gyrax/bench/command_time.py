"""How long the training command takes until its first step, and the memory that it needs."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gyrax._errors import InputError
from gyrax.bench.setup import Note


def time_command(device: str, note: Note) -> dict[str, Any]:
    """The training command itself, one epoch a phase, with an empty and then a filled cache: seconds
    until its first step starts, and its largest memory."""
    seconds: dict[str, float] = {}
    peak = 0.0
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"GYRAX_CACHE_DIR": f"{folder}/cache", "PYTHONUNBUFFERED": "1"}
        for cache in ("cold", "warm"):
            note(f"training by the command, {cache} cache")
            command = [sys.executable, "-m", "gyrax", "train", "--phase", "2", "--phase1-epochs", "1",
                       "--phase2-epochs", "1", "--device", device,
                       "--out", f"{folder}/{cache}"]  # fmt: skip
            began = time.perf_counter()
            with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                for line in child.stdout:
                    peak = max(peak, _peak_mib(child.pid))
                    if "compiled in" in line:
                        seconds.setdefault(cache, time.perf_counter() - began)
            if child.returncode:
                raise InputError(f"the training command failed with exit code {child.returncode}.")
    return {"first_step_s": seconds, "peak_mib": peak}


def _peak_mib(process: int) -> float:
    """The largest memory of a running process so far; zero where the system does not say.

    `getrusage` would count the memory of this process at the time when it started the other.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return max(
        (float(s.split()[1]) / 1024 for s in status.splitlines() if "VmHWM" in s), default=0.0
    )
