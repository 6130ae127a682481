"""The signs of life of a runner, chosen by its command line and its environment."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterator, List, Optional

from quick_jobs.conf import conf
from quick_jobs.discovery import JobsError
from quick_jobs.runner.alive_file import AliveFile
from quick_jobs.runner.observer import Observer
from quick_jobs.runner.service_manager import ServiceManager
from quick_jobs.runner.signs_of_life import SignsOfLife


@contextlib.contextmanager
def signs_of_life(options: Any, jobs: int) -> Iterator[List[Observer]]:
    """Provide the signs of life of a runner with this number of ``jobs``; finally delete the file.

    Raises :exc:`JobsError` if the file cannot be written.
    """
    path: Optional[str] = options["alive_file"]
    service_manager = ServiceManager.of(os.environ)
    if path is None and service_manager is None:
        yield []
        return
    alive_file = None if path is None else AliveFile(path)
    try:
        if alive_file:
            alive_file.create()
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or exc
        raise JobsError([f"--alive-file {path} cannot be written: {why}."]) from exc
    try:
        heartbeat_interval = conf.heartbeat_interval.total_seconds()
        yield [SignsOfLife(alive_file, service_manager, jobs, heartbeat_interval)]
    finally:
        if alive_file:
            alive_file.remove()
        if service_manager:
            service_manager.close()
