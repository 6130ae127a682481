"""Whose turn it is among tests that run side by side: one that must be alone waits for the others.

Every test holds the file ``running`` while it runs: shared with others, or exclusively if it must
be alone. It comes there by the file ``door``. A test that waits to be alone keeps the door shut, or
it would wait for as long as others begin.
"""

import contextlib
import os
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def shared_folder():
    """Return where the processes of this run meet, or None if it has only one.

    That is where ``QUICK_JOBS_TEST_TURNS`` says, for runs beside each other, or the place of all
    workers of one run with pytest-xdist.
    """
    if "QUICK_JOBS_TEST_TURNS" in os.environ:
        return Path(os.environ["QUICK_JOBS_TEST_TURNS"])
    if "PYTEST_XDIST_TESTRUNUID" in os.environ:
        name = f"quick_jobs_{os.environ['PYTEST_XDIST_TESTRUNUID']}"
        return Path(tempfile.gettempdir()) / name
    return None


class Turns:
    """The turns of one process, which meets others in ``folder``."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self._door = (folder / "door").open("w")
        self._running = (folder / "running").open("w")

    @contextlib.contextmanager
    def turn(self, alone):
        """Wait for one's turn, and keep it."""
        with _locked(self._door, fcntl.LOCK_EX):
            fcntl.flock(self._running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._running, fcntl.LOCK_UN)


@contextlib.contextmanager
def _locked(file, how):
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def _any_time(alone):
    yield


def turns():
    """Return what a test's run is put into: a context manager that is told if it must be alone."""
    folder = shared_folder()
    return _any_time if folder is None or fcntl is None else Turns(folder).turn
