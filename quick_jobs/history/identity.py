"""The identity of a runner."""

from __future__ import annotations

import os
import socket
import time
import uuid
from typing import NamedTuple

from quick_jobs.conf import conf
from quick_jobs.history.texts import in_ascii
from quick_jobs.models import JobRunner

_LONGEST_RELEASE = 100  # JobRunner.release


class RunnerIdentity(NamedTuple):
    """The facts in a runner's row from the start; ``started_at`` is POSIX time."""

    key: uuid.UUID
    hostname: str
    pid: int
    started_at: float
    kind: str = JobRunner.RUNNER
    release: str = ""

    @classmethod
    def of_this_process(cls, kind: str = JobRunner.RUNNER) -> RunnerIdentity:
        """Return the identity of a runner that starts now in this process."""
        release = in_ascii(conf.release).replace("\0", "\\x00")[:_LONGEST_RELEASE]
        return cls(uuid.uuid4(), socket.gethostname(), os.getpid(), time.time(), kind, release)
