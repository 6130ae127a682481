"""A wall clock for processes, which a test sets. The clocks that measure time go on as they do."""

import shutil
import struct
import subprocess
import time
from pathlib import Path

_SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """The wall clock of all processes with its ``environment``; right at first.

    It keeps two files in ``path``, which those processes must be able to read.
    """

    def __init__(self, path):
        self._state = path / "wall_clock"
        self._state.write_bytes(struct.pack("l", 0))
        self._state.chmod(0o644)
        library = path / "wall_clock.so"
        assert shutil.which("gcc"), "gcc is not installed"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)], check=True)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._state)}

    def set_ahead(self, seconds):
        """Set it to so many seconds, a whole number, after the right time; or before it."""
        with self._state.open("r+b") as file:
            file.write(struct.pack("l", seconds))

    def set_to(self, moment):
        """Set it to ``moment``, an aware datetime, give or take a second."""
        self.set_ahead(round(moment.timestamp() - time.time()))
