"""Being asked to end by the system: a cluster sends SIGTERM before it takes a machine."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked_to_end() -> Iterator[Callable[[], bool]]:
    """Inside the block SIGTERM does not end the process; the function says whether it has come.

    Outside of the main thread, where Python cannot handle signals, it never has.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: Any) -> None:
        del number, frame
        asked.set()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
