"""The signals that stop a runner."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import Any, Callable, Dict, Iterator

# Those that the platform has; Windows has no SIGQUIT.
_NAMES = [name for name in ("SIGINT", "SIGTERM", "SIGQUIT") if hasattr(signal, name)]


@contextlib.contextmanager
def stop_on_signals(request_stop: Callable[[str], None]) -> Iterator[None]:
    """Call ``request_stop`` with the signal's name, twice at most; a third ends the process.

    Outside the main thread, where Python handles no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pid = os.getpid()
    received = 0

    def handle(number: int, frame: object) -> None:
        nonlocal received
        if os.getpid() != pid:
            # A process that a job forked: there the signal means what it usually does.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        received += 1
        if received > 2:
            os._exit(1)
        request_stop(signal.Signals(number).name)

    before: Dict[signal.Signals, Any] = {}
    try:
        for name in _NAMES:
            number = getattr(signal, name)
            before[number] = signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
