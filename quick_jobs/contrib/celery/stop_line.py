"""The messages between a worker's main process and its children when the worker stops.

It is made before the children are forked, and needs no thread and no lock. The main process closes
its end of a pipe, even from a signal handler, and all children notice. They also notice when the
main process is killed. A child writes into shared memory why its worker has to stop.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
from typing import Tuple

_SIZE = 512  # a reason and a detail of at most 255 characters, in UTF-8 and cut to this size


class StopLine:
    """Belongs to the main process, in which it is made, and to the children it forks."""

    def __init__(self) -> None:
        self.main_pid = os.getpid()
        #: Becomes readable when the worker stops.
        self.descriptor, self._write_end = os.pipe()
        self._is_open = True
        self._request = mmap.mmap(-1, _SIZE)

    @property
    def is_announced(self) -> bool:
        """Whether the worker stops, in the main process."""
        return not self._is_open

    def announce_stop(self) -> None:
        """Announce that the worker stops. In a child: leave this to the main process."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(OSError):
                os.close(self._write_end)

    def request_stop(self, reason: str, detail: str) -> None:
        """Start a warm shutdown of the worker. The first request gives the reason."""
        if self.requested() == ("", ""):
            self._request[:_SIZE] = f"{reason}\0{detail}".encode()[:_SIZE].ljust(_SIZE, b"\0")
        # Celery can be told to treat SIGTERM as SIGQUIT, and would then not wait for jobs.
        remapped = os.environ.get("REMAP_SIGTERM")
        os.kill(self.main_pid, signal.SIGINT if remapped else signal.SIGTERM)

    def requested(self) -> Tuple[str, str]:
        """Return the reason and the detail of a request, both empty if there is none."""
        text = self._request[:_SIZE].rstrip(b"\0").decode(errors="replace")
        reason, _, detail = text.partition("\0")
        return reason, detail
