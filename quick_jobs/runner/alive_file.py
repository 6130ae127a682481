"""The file of ``run_jobs --alive-file``: as old as the loop's last heartbeat."""

from __future__ import annotations

import contextlib
import os
import stat

from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Without it, opening a pipe waits for a reader. Windows has neither.
_OPEN = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)


class AliveFile:
    """An empty file that exists while a runner runs, and is touched while it works."""

    def __init__(self, path: str) -> None:
        self._given = path
        self._path = os.path.abspath(path)  # a job may change the directory
        self._has_failed = False

    def create(self) -> None:
        """Create the file, or touch the one that an earlier runner left; may raise OSError.

        A file with content belongs to something else, and must not be deleted when the runner ends.
        """
        descriptor = os.open(self._path, _OPEN, 0o644)
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size:
            raise FileExistsError("there is something else, and it would be deleted at the end")
        os.utime(self._path)

    def touch(self) -> None:
        """Touch the file, and create it if it is gone. Logs only the first failure in a row."""
        try:
            try:
                os.utime(self._path)
            except FileNotFoundError:
                self.create()
        except OSError as exc:
            if not self._has_failed:
                logger.error("--alive-file %s cannot be written: %s", self._given, exc)
            self._has_failed = True
        else:
            self._has_failed = False

    def remove(self) -> None:
        """Delete the file, if possible."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
