"""Sends the signals that no job's thread can send, in a thread of their own: they may block."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from typing import Any, Callable, Deque, Optional

from django.db import connections
from django.dispatch import Signal

from quick_jobs import threads
from quick_jobs.history.record import Record
from quick_jobs.logs import get_logger
from quick_jobs.models import JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.signals import execution_finished, runner_stopped, send

logger = get_logger(__name__, may_wait=False)


class LateSignals:
    """Sends signals one after the other, in a thread that only exists while there are some."""

    def __init__(self) -> None:
        self._waiting: Deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()  # guards what waits, and the thread
        self._thread: Optional[threading.Thread] = None

    def send_given_up(self, job: RegisteredJob, record: Record) -> None:
        """Send ``execution_finished`` for an execution that the runner no longer waits for."""
        self._put(
            execution_finished,
            job,
            job_name=job.name,
            outcome=record.outcome,
            duration=dt.timedelta(seconds=record.duration or 0.0),
            exception=None,
        )

    def send_stopped(self, reason: str, detail: str, exit_status: int) -> None:
        """Send ``runner_stopped``."""
        self._put(runner_stopped, JobRunner, reason=reason, detail=detail, exit_status=exit_status)

    def wait(self, seconds: float) -> None:
        """Wait until all are sent, for ``seconds`` at most."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._thread is None, seconds):
                logger.error("receivers of signals have not ended in time, and are left behind")

    def _put(self, signal: Signal, sender: object, **facts: Any) -> None:
        if not signal.receivers:
            return
        with self._changed:
            self._waiting.append(lambda: send(signal, sender, **facts))
            if self._thread is not None:
                return
            self._thread = threading.Thread(
                target=self._run, name="quick_jobs late signals", daemon=True
            )
            try:
                threads.start(self._thread)
            except threads.NoThread as exc:
                self._thread = None
                self._waiting.clear()
                logger.error("receivers of signals are not called: %s", exc)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                send_next = self._waiting.popleft()
            try:
                send_next()
            finally:
                connections.close_all()
