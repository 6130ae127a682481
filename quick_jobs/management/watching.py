"""Watches the files of a runner's modules: when one changes, the runner stops."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

from django.utils import autoreload

from quick_jobs import threads
from quick_jobs.logs import get_logger
from quick_jobs.stop_signals import StopWhenAsked, stop_on_signals

logger = get_logger("quick_jobs")

#: The exit status of a runner that stopped because its code changed. It is Django's.
CODE_CHANGED = 3


def stop_on_signals_and_changes(started_at: float) -> StopWhenAsked:
    """Return a ``stop_on_signals`` that also stops on a change of the code.

    After a change, it raises :exc:`SystemExit` with :data:`CODE_CHANGED` at its end. ``started_at``
    is the start of the process, in seconds since 1970. The process is the child of one that passes
    signals on, and stops when its parent is gone.
    """

    @contextlib.contextmanager
    def stop_when_asked(
        request_stop: Callable[[str], None], wake: Callable[[], None]
    ) -> Iterator[None]:
        requests: List[str] = []
        changes: List[str] = []

        def request(why: str) -> None:
            requests.append(why)
            request_stop(why)

        def watch() -> None:
            why = _changed_file(started_at)
            if why is not None:
                changes.append(why)
            if not requests:  # a second request would not wait for the jobs
                request("the end of its parent process" if why is None else f"a change of {why}")

        with stop_on_signals(request, wake, relayed=True):
            threads.start(threading.Thread(target=watch, name="quick_jobs files", daemon=True))
            yield
        if changes:
            sys.exit(CODE_CHANGED)

    return stop_when_asked


def _changed_file(started_at: float) -> Optional[str]:
    """Wait for a change, and return the path; None if the parent process ends first."""
    reloader = autoreload.get_reloader()
    try:
        return _watch_with(reloader, started_at)
    except Exception as exc:
        if isinstance(reloader, autoreload.StatReloader):
            raise
        logger.warning("Watchman fails (%s): the files are looked at each second", exc)
        return _watch_with(autoreload.StatReloader(), started_at)


def _watch_with(reloader: autoreload.BaseReloader, started_at: float) -> Optional[str]:
    parent = os.getppid()
    changed: List[str] = []

    def note(sender: Any, file_path: Path, **kwargs: Any) -> None:
        changed[:] = [str(file_path)]

    autoreload.file_changed.connect(note)
    # Django's own receivers add other files to watch, such as translations.
    autoreload.autoreload_started.send(sender=reloader)
    modules = 0
    try:
        for number, _ in enumerate(reloader.tick()):
            if number == 0:
                _look_back(reloader, started_at)
            if os.getppid() != parent:
                return None
            if modules != len(sys.modules) and hasattr(reloader, "request_processed"):
                # Watchman's reloader looks for new modules after a request; there are none here.
                modules = len(sys.modules)
                reloader.request_processed()
    except SystemExit:
        return changed[0]
    raise RuntimeError("the reloader has ended")


def _look_back(reloader: autoreload.BaseReloader, started_at: float) -> None:
    """Detect changes between the import of a module and the first check of its file.

    Times in the future come from another clock, and are ignored.
    """
    now = time.time()
    for path in reloader.watched_files(include_globs=False):
        with contextlib.suppress(OSError):
            if started_at < path.stat().st_mtime <= now:
                reloader.notify_file_changed(path)
