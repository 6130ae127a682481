"""Whether the end of this runner, or of one before it, makes an alert."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple, Optional, Set

from quick_jobs.alerting import texts
from quick_jobs.alerting.addresses import admin_url
from quick_jobs.alerting.asking import Asker, NoAnswer
from quick_jobs.alerting.endings import (
    FAILURES,
    LOST,
    Life,
    count_of,
    is_news,
    lost_beside,
    lost_to_tell,
)
from quick_jobs.alerting.missed import missed_of
from quick_jobs.alerting.past import Past
from quick_jobs.alerts import RUNNER_FAILED, RUNNER_LOST, Alert
from quick_jobs.models import JobExecution, JobRunner

# Executions of a vanished runner that are read; the text names fewer.
_MOST_RUNNING = 50


class _Vanished(NamedTuple):
    runner: JobRunner
    running: List[JobExecution]
    missed: str
    url: Optional[str]


class RunnerNews:
    """Reports a runner before this one that vanished, and this one when an error ends it.

    With ``shares``, other runners run the same jobs at the same time: one of them reports any that
    vanished, whenever that was.
    """

    def __init__(
        self,
        asker: Asker,
        name: str,
        tells_lost: bool,
        lost_after: dt.timedelta,
        second_look: dt.timedelta,
        reminder: dt.timedelta,
        shares: bool = False,
    ) -> None:
        self._asker = asker
        self._name = name
        self._tells_lost = tells_lost
        self._lost_after = lost_after
        self._second_look = second_look
        self._reminder = reminder
        self._shares = shares
        self._others: List[Life] = []
        self._told: Set[int] = set()
        self._seen: Set[int] = set()  # as lost, at the last look

    def look_back(self) -> Optional[Alert]:
        """Return the alert of a vanished runner, if it is for this one to report it."""
        own = self._look_at_others()
        if own is None or not self._tells_lost:
            return None
        lost = self._vanished_beside(own) if self._shares else self._vanished_before(own)
        if lost is None:
            return None
        began_at = own.began_at

        def look(past: Past) -> Optional[_Vanished]:
            runner = past.runner(lost.pk)
            if runner is None or runner.stopped_at is not None:
                return None
            running = past.running_in(runner, _MOST_RUNNING)
            # Others have made the starts.
            missed = "" if self._shares else texts.list_of_missed(missed_of(runner, began_at))
            return _Vanished(runner, running, missed, admin_url(runner))

        try:
            vanished = self._asker.ask(look)
        except NoAnswer:
            return None
        if vanished is None:
            return None
        self._told.add(lost.pk)
        return self._lost_alert(vanished, lost, count_of(LOST, self._before(lost)), began_at)

    def _look_at_others(self) -> Optional[Life]:
        """Ask who else there is; return our own life, or None if nobody answers."""
        try:
            lives = self._asker.ask(lambda past: past.lives())
        except NoAnswer:
            self._seen = set()
            return None
        self._others = [*lives.after, *lives.before] if self._shares else lives.before
        return lives.own

    def _vanished_before(self, own: Life) -> Optional[Life]:
        lost = lost_to_tell(self._others, own, self._lost_after, self._second_look, self._reminder)
        return None if lost is None or lost.pk in self._told else lost

    def _vanished_beside(self, own: Life) -> Optional[Life]:
        found = lost_beside(self._others, own, self._seen, self._lost_after, self._second_look)
        self._seen = {life.pk for life in self._others if life.reason == LOST}
        for life in found:
            if life.pk not in self._told and is_news(
                LOST, life.ended_at, self._before(life), self._reminder
            ):
                return life
        return None

    def _before(self, life: Life) -> List[Life]:
        """Return those that ended of the runners before ``life``, the newest first.

        Where many are at work, those on another machine have nothing to do with it.
        """
        return [
            other
            for other in self._others
            if other.reason
            and other.pk < life.pk
            and (not self._shares or other.hostname == life.hostname)
        ]

    def _lost_alert(
        self, vanished: _Vanished, lost: Life, count: int, began_at: dt.datetime
    ) -> Alert:
        runner = vanished.runner
        text = (
            f"The last heartbeat of the runner {runner} was at {texts.moment_text(lost.ended_at)}, "
            f"and it did not stop properly: it was killed, or its machine went away. "
            f"{self._name} has run since {texts.moment_text(began_at)}."
        )
        often = f"That is the {count}th in a row." if count > 3 else ""
        return texts.alert_of(
            RUNNER_LOST,
            lost.ended_at,
            count,
            f"The runner {runner} vanished",
            [
                text,
                often,
                texts.list_of_running(vanished.running),
                vanished.missed,
            ],
            url=vanished.url,
        )

    def is_news(self, reason: str, at: dt.datetime) -> bool:
        """Return whether it is news that this runner ends for this reason."""
        if self._shares:
            self._look_at_others()  # they may have ended since
        return is_news(reason, at, self._ended_before(), self._reminder)

    def stopped(self, reason: str, detail: str, at: dt.datetime) -> Optional[Alert]:
        """Return the alert that the end of this runner makes, if any."""
        if reason not in FAILURES or not self.is_news(reason, at):
            return None
        before = self._ended_before()
        count = count_of(reason, before)
        since = before[count - 2].ended_at if count > 1 else at
        often = "" if count == 1 else f"So did the {count - 1} runners before it."
        text = (
            f"The runner {self._name} ended with exit status 1 at {texts.moment_text(at)}: "
            f"{detail}."
        )
        try:
            url = self._asker.ask(_own_url)
        except NoAnswer:
            url = None
        subject = f"The runner {self._name} ended with an error: {detail}"
        return texts.alert_of(RUNNER_FAILED, since, count, subject, [text, often], url=url)

    def _ended_before(self) -> List[Life]:
        return [life for life in self._others if life.reason]


def _own_url(past: Past) -> Optional[str]:
    row = past.own_runner()
    return None if row is None else admin_url(row)
