"""Whether the end of this runner, or of one before it, makes an alert."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple, Optional, Set

from quick_jobs.alerting import texts
from quick_jobs.alerting.addresses import admin_url
from quick_jobs.alerting.asking import Asker, NoAnswer
from quick_jobs.alerting.endings import FAILURES, LOST, Life, count_of, is_news, lost_to_tell
from quick_jobs.alerting.missed import Missed, missed_of
from quick_jobs.alerting.past import Past
from quick_jobs.alerts import RUNNER_FAILED, RUNNER_LOST, Alert
from quick_jobs.models import JobExecution, JobRunner

# Executions of a vanished runner that are read; the text names fewer.
_MOST_RUNNING = 50


class _Vanished(NamedTuple):
    runner: JobRunner
    running: List[JobExecution]
    missed: List[Missed]
    url: Optional[str]


class RunnerNews:
    """Reports a runner before this one that vanished, and this one when an error ends it."""

    def __init__(
        self,
        asker: Asker,
        name: str,
        tells_lost: bool,
        lost_after: dt.timedelta,
        second_look: dt.timedelta,
        reminder: dt.timedelta,
    ) -> None:
        self._asker = asker
        self._name = name
        self._tells_lost = tells_lost
        self._lost_after = lost_after
        self._second_look = second_look
        self._reminder = reminder
        self._before: List[Life] = []
        self._told: Set[int] = set()

    def look_back(self) -> Optional[Alert]:
        """Return the alert of a vanished runner, if it is for this one to report it."""
        try:
            own, before = self._asker.ask(lambda past: past.lives())
        except NoAnswer:
            return None
        self._before = before
        if own is None or not self._tells_lost:
            return None
        lost = lost_to_tell(before, own, self._lost_after, self._second_look, self._reminder)
        if lost is None or lost.pk in self._told:
            return None
        began_at = own.began_at

        def look(past: Past) -> Optional[_Vanished]:
            runner = past.runner(lost.pk)
            if runner is None or runner.stopped_at is not None:
                return None
            running = past.running_in(runner, _MOST_RUNNING)
            return _Vanished(runner, running, missed_of(runner, began_at), admin_url(runner))

        try:
            vanished = self._asker.ask(look)
        except NoAnswer:
            return None
        if vanished is None:
            return None
        self._told.add(lost.pk)
        older = before[before.index(lost) + 1 :]
        return self._lost_alert(vanished, lost, count_of(LOST, older), began_at)

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
                texts.list_of_missed(vanished.missed),
            ],
            url=vanished.url,
        )

    def is_news(self, reason: str, at: dt.datetime) -> bool:
        """Return whether it is news that this runner ends for this reason."""
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
        return [life for life in self._before if life.reason]


def _own_url(past: Past) -> Optional[str]:
    row = past.own_runner()
    return None if row is None else admin_url(row)
