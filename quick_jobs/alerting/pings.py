"""Passes pings from the runner's loop to the thread that sends. Never waits."""

from __future__ import annotations

import math
from typing import Optional

from quick_jobs.alerting.fetching import Fetcher
from quick_jobs.alerting.sender import Sender
from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution
from quick_jobs.ping_urls import FAIL, START, SUCCESS, url_for
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.observer import Observer
from quick_jobs.runner.running import RunningExecutions

# Seconds between two fetches of the heartbeat URL, at least.
_HEARTBEAT = 60.0

# The status for each outcome. An interrupted execution ended because the runner did.
_STATUS = {
    JobExecution.SUCCEEDED: SUCCESS,
    JobExecution.FAILED: FAIL,
    JobExecution.TIMED_OUT: FAIL,
    JobExecution.ABANDONED: FAIL,
}


class Pings(Observer):
    """Lets the URLs of jobs be fetched, and one while the scheduler works."""

    def __init__(
        self,
        sender: Sender,
        fetcher: Fetcher,
        heartbeat_url: Optional[str],
        heartbeat_interval: float,
    ) -> None:
        self._sender = sender
        self._fetcher = fetcher
        self._heartbeat_url = heartbeat_url
        self._interval = max(_HEARTBEAT, heartbeat_interval)
        self._next = math.inf if heartbeat_url is None else -math.inf

    def next_check(self) -> Optional[float]:
        return self._next

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        if now < self._next:
            return
        if is_stopping:
            self._next = math.inf
        elif self._heartbeat_url is not None:
            self._next = now + self._interval
            self._fetch(self._heartbeat_url)

    def started(self, execution: Execution) -> None:
        ping = execution.scheduled.job.ping
        if ping is not None:
            self._fetch(url_for(ping, START))

    def ended(self, execution: Execution, record: Record) -> None:
        ping, status = execution.scheduled.job.ping, _STATUS.get(record.outcome)
        if ping is not None and status is not None:
            self._fetch(url_for(ping, status))

    def _fetch(self, url: str) -> None:
        self._sender.put_ping(lambda: self._fetcher.fetch(url, self._sender.seconds_left))
