"""One process at a time writes in a folder; one that was killed holds nothing."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from gyrax._errors import InputError
from gyrax.runtime.locks import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from gyrax.runtime.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_the_second_is_told_who_writes(tmp_path):
    folder = tmp_path / "new" / "run"
    owner = f"process {os.getpid()} on {socket.gethostname()} is writing in it"
    with locked(folder):
        with pytest.raises(InputError, match=owner), locked(folder):
            pass
        assert (folder / LOCK).exists()
        with pytest.raises(InputError, match=owner), locked(folder):
            pass
    assert list(folder.iterdir()) == []
    with locked(folder):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"process {process.pid} on"), locked(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
