"""The signals that stop a runner."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import Any, Callable, Dict, Iterator

# Those that the platform has; Windows has no SIGQUIT.
_NAMES = [name for name in ("SIGINT", "SIGTERM", "SIGQUIT") if hasattr(signal, name)]


@contextlib.contextmanager
def stop_on_signals(
    request_stop: Callable[[str], None], wake: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Call ``request_stop`` with the signal's name, twice at most; a third ends the process.

    It is called in the main thread, which ``wake``, called in another, is to get out of its wait.
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
        with _waking(wake):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def _waking(wake: Callable[[], None]) -> Iterator[None]:
    """Call ``wake`` whenever a signal has come, in a thread that waits for nothing else.

    Python's handlers run between two steps of the main thread. One that waits hears nothing of a
    signal that came just before it began to, or that the system gave to another thread.
    """
    inward, outward = socket.socketpair()
    inward.setblocking(True)  # whatever socket.setdefaulttimeout() says
    outward.setblocking(False)

    def listen() -> None:
        while inward.recv(4096):
            wake()

    listener = threading.Thread(target=listen, name="quick_jobs signals", daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(outward.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        outward.shutdown(socket.SHUT_WR)  # also where a forked child has it open still
        listener.join()
        outward.close()
        inward.close()
