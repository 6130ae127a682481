"""The signals that stop a runner."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from typing import Any, Callable, ContextManager, Dict, Iterator

from quick_jobs import threads

# Those of the platform: Windows has neither SIGQUIT nor SIGHUP.
_NAMES = [n for n in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP") if hasattr(signal, n)]

_SIGHUP = getattr(signal, "SIGHUP", None)

# Seconds in which SIGINT counts once: timeout(1) sends it to the process, and then to its group.
# Nobody presses Ctrl-C twice that fast. A terminal that is closed sends SIGHUP, and so does its
# shell; systemd may send it right after SIGTERM.
_ONE_REQUEST = 0.5

#: In its block, calls the first with the reason to stop, and the second to wake the runner.
StopWhenAsked = Callable[[Callable[[str], None], Callable[[], None]], ContextManager[None]]


@contextlib.contextmanager
def stop_on_signals(
    request_stop: Callable[[str], None],
    wake: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    relayed: bool = False,
) -> Iterator[None]:
    """Call ``request_stop`` with the signal's name, twice at most; a third ends the process.

    A SIGINT within half a second of the last one does not count, nor does a SIGHUP that soon
    after any other signal. SIGHUP stays ignored if it is, as under ``nohup``. With ``relayed``,
    a parent process passes on the signals that it gets, and a terminal sends them to both: then
    no signal counts again within half a second.

    ``request_stop`` is called in the main thread, and ``wake`` in another one, to end the main
    thread's wait. Outside the main thread, where Python handles no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pid = os.getpid()
    received = 0
    requested_at = -math.inf
    last_at: Dict[int, float] = {}

    def handle(number: int, frame: object) -> None:
        nonlocal received, requested_at
        if os.getpid() != pid:
            # In a process that a job forked, the signal has its usual effect.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        now = clock()
        counts_once = relayed or number == signal.SIGINT
        if counts_once and now - last_at.get(number, -math.inf) < _ONE_REQUEST:
            return
        if number == _SIGHUP and now - requested_at < _ONE_REQUEST:
            return
        requested_at = last_at[number] = now
        received += 1
        if received > 2:
            os._exit(1)
        request_stop(signal.Signals(number).name)

    before: Dict[signal.Signals, Any] = {}
    try:
        for name in _NAMES:
            number = getattr(signal, name)
            if name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
                continue
            before[number] = signal.signal(number, handle)
        with _waking(wake):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def _waking(wake: Callable[[], None]) -> Iterator[None]:
    """Call ``wake`` whenever a signal has come, in a thread of its own.

    Python's handlers run between two instructions of the main thread. If that waits, it misses a
    signal that came just before the wait, or that the system delivered to another thread.
    """
    inward, outward = socket.socketpair()
    with inward, outward:
        inward.setblocking(True)  # whatever socket.setdefaulttimeout() says
        outward.setblocking(False)

        def listen() -> None:
            while inward.recv(4096):
                wake()

        listener = threading.Thread(target=listen, name="quick_jobs signals", daemon=True)
        threads.start(listener)
        before = signal.set_wakeup_fd(outward.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            outward.shutdown(socket.SHUT_WR)  # even if a forked child still has it open
            listener.join()
