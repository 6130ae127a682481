"""Signs of life of a runner's loop for monitoring, with or without a database."""

from __future__ import annotations

import math
from typing import Optional

from quick_jobs.runner.alive_file import AliveFile
from quick_jobs.runner.observer import Observer
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.service_manager import ServiceManager


class SignsOfLife(Observer):
    """Touches a file every ``heartbeat_interval`` seconds, and reports to a service manager.

    The service manager gets messages when the runner runs and when it stops, how
    many jobs are running, and, twice per watchdog time, that all is well.
    """

    def __init__(
        self,
        alive_file: Optional[AliveFile],
        service_manager: Optional[ServiceManager],
        jobs: int,
        heartbeat_interval: float,
    ) -> None:
        self._alive_file = alive_file
        self._service_manager = service_manager
        self._jobs = jobs
        self._heartbeat_interval = heartbeat_interval
        watchdog = service_manager and service_manager.watchdog
        self._watchdog_interval = watchdog / 2 if watchdog else math.inf
        self._next_beat = -math.inf
        self._next_watchdog = -math.inf if watchdog else math.inf
        self._is_ready = self._is_stopping = False
        self._status = ""

    def next_check(self) -> Optional[float]:
        return min(self._next_beat, self._next_watchdog)

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        is_beat = now >= self._next_beat
        if is_beat:
            self._next_beat = now + self._heartbeat_interval
            if self._alive_file:
                self._alive_file.touch()
        if self._service_manager:
            self._tell(self._service_manager, now, is_beat, is_stopping, running)

    def _tell(
        self,
        service_manager: ServiceManager,
        now: float,
        is_beat: bool,
        is_stopping: bool,
        running: RunningExecutions,
    ) -> None:
        if now >= self._next_watchdog:
            self._next_watchdog = now + self._watchdog_interval
            service_manager.tell("WATCHDOG=1")
        if is_stopping and not self._is_stopping:
            self._is_stopping = service_manager.tell("STOPPING=1")
        if not is_beat:
            return
        if not self._is_ready:
            self._is_ready = service_manager.tell("READY=1")
        status = f"{self._jobs} job{'' if self._jobs == 1 else 's'}, {len(running)} running"
        if status != self._status and service_manager.tell(f"STATUS={status}"):
            self._status = status
