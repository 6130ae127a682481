"""Queries to the history's database that give up when it does not answer."""

from __future__ import annotations

import threading
import time
from typing import Callable, Generic, List, Optional, TypeVar

from django.db import connections

from quick_jobs import threads
from quick_jobs.alerting.past import Past
from quick_jobs.logs import get_logger

logger = get_logger(__name__)

Answer = TypeVar("Answer")

# Seconds that the database gets: an alert must not wait for a database that is away.
_PATIENCE = 5.0


class NoAnswer(Exception):
    """The database did not answer in time, or answered with an error."""


class Asker:
    """Asks each question in a thread of its own, and leaves it behind if no answer comes in time.

    While a thread is left behind, no other question is asked. ``seconds_left()`` limits the wait.
    Without a history (``past`` is None), every question raises :exc:`NoAnswer`.
    """

    def __init__(self, past: Optional[Past], seconds_left: Callable[[], float]) -> None:
        self._past = past
        self._seconds_left = seconds_left
        self._asking: Optional[threading.Thread] = None

    def ask(self, question: Callable[[Past], Answer]) -> Answer:
        """Return what ``question`` returns for the past, or raise :exc:`NoAnswer`."""
        past = self._past
        if past is None or (self._asking is not None and self._asking.is_alive()):
            raise NoAnswer
        asked = _Asked(lambda: question(past))
        self._asking = threading.Thread(
            target=asked.run, name="quick_jobs alerts database", daemon=True
        )
        try:
            threads.start(self._asking)
        except threads.NoThread as exc:
            raise NoAnswer from exc
        self._asking.join(max(0.0, min(_PATIENCE, self._seconds_left())))
        if not asked.answers:
            raise NoAnswer
        return asked.answers[0]

    def wait(self, seconds: float) -> bool:
        """Wait before asking again; return False at once when the runner is ending."""
        if self._seconds_left() < threading.TIMEOUT_MAX:
            return False
        time.sleep(seconds)
        return True


class _Asked(Generic[Answer]):
    def __init__(self, question: Callable[[], Answer]) -> None:
        self._question = question
        self.answers: List[Answer] = []

    def run(self) -> None:
        try:
            self.answers.append(self._question())
        except Exception as exc:
            logger.debug("the history cannot be asked for an alert", exc_info=exc)
        finally:
            connections.close_all()
