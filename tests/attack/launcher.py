"""Runs the command line in forks of one process that has imported all that it needs, which saves half of
the time of starting anew.

Each line of its input is a request in JSON, and each line of its output what became of it.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from typing import Any

PARENT_DIES = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def count_changes(folder: str, kill_at: int | None) -> list[int]:
    """Count the changes of files under a folder from now on, and end the process before one of them: at once,
    as a signal does that no handler sees."""
    counted = [0]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            changes = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
        if changes and (event in ("os.remove", "os.rmdir") or str(args[0]).startswith(folder)):
            if counted[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            counted[0] += 1

    sys.addaudithook(hook)
    return counted


def run(request: dict[str, Any]) -> None:
    """One command, in this process, which ends with it."""
    code = 1
    counted = [0]
    try:
        ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGKILL)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ |= request["environment"]
        sys.argv = ["cli.py", *request["arguments"]]
        if (most := request["largest_file"]) is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        counted = count_changes(request["folder"], request["kill_at"])
        import cli

        cli.app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(request["report"], str(counted[0]).encode())
        os._exit(code)


def main() -> None:
    """Serve until the input ends."""
    for name in (
        "cli",
        "matplotlib.pyplot",
        "orbax.checkpoint",
        "gyrax.ablation.run",
        "gyrax.report.page",
    ):
        importlib.import_module(name)
    reports: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            reader = reports.pop(request["wait"])
            counted = os.read(reader, 100).decode()
            os.close(reader)
            code = os.waitstatus_to_exitcode(status)
            answer = {"code": code, "changes": int(counted or 0)}
        else:
            reader, request["report"] = os.pipe()
            child = os.fork()
            if child == 0:
                run(request)
            os.close(request["report"])
            reports[child], answer = reader, {"child": child}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
