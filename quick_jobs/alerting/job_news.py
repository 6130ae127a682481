"""Whether an execution of a job makes an alert. Runs in the thread that sends."""

from __future__ import annotations

import datetime as dt
import math
from typing import Collection, Dict, FrozenSet, List, Optional, Tuple

from quick_jobs.alerting import texts
from quick_jobs.alerting.addresses import admin_url
from quick_jobs.alerting.asking import Asker, NoAnswer
from quick_jobs.alerting.past import Past
from quick_jobs.alerting.streaks import (
    MOST,
    Streak,
    after_failure,
    kind_of_failure,
    kind_of_success,
    streak_of,
)
from quick_jobs.alerting.told import Told
from quick_jobs.alerts import ABANDONED, FAILING, STILL_FAILING, STUCK, TIMED_OUT, Alert
from quick_jobs.databases.timestamps import from_timestamp
from quick_jobs.history.record import Record
from quick_jobs.models import Job, JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.schedules import ScheduleError, next_start
from quick_jobs.stuck import stuck_after
from quick_jobs.text_filter import filtered

# Seconds between queries for an end: the recorder writes it at about the same time.
_LOOKS = (0.1, 0.4, 1.0)

# Seconds until a long-running execution is judged again if the history does not answer.
_LOOK_AGAIN = 60.0

# The alerts of failures that are put on record.
_OF_FAILURES = (FAILING, STILL_FAILING, TIMED_OUT)


class JobNews:
    """Remembers each job's failures in a row, and asks the history before it makes an alert.

    So one event makes one alert, over restarts and whatever other runners did. If the history
    does not answer, this runner's memory decides.

    With ``shares``, other runners run the same jobs, each execution in one of them: this runner's
    memory of a job may be out of date. A timeout ends no such runner.
    """

    def __init__(
        self,
        asker: Asker,
        alert_after: int,
        reminder: float,
        shares: bool = False,
        told: Optional[Told] = None,
    ) -> None:
        self._asker = asker
        self._alert_after = alert_after
        self._reminder = reminder
        self._shares = shares
        self._told = Told(asker) if told is None else told
        self._streaks: Dict[str, Optional[Streak]] = {}
        self._failing_before: Optional[FrozenSet[str]] = None

    def remember(self, names: Collection[str], began_at: float) -> None:
        """Ask which of the jobs were failing when the runner began, at this POSIX time."""
        try:
            self._failing_before = self._asker.ask(lambda past: past.failing_jobs(names, began_at))
        except NoAnswer:
            self._failing_before = None  # each job's first end is looked up

    def ended(self, record: Record) -> Optional[Alert]:
        """Return the alert that the end of an execution makes, if any."""
        is_success = record.outcome == JobExecution.SUCCEEDED
        before = self._streaks.get(record.job)
        if before is None:
            self._told.forget(record.job)
        kind, streak = self._judge(before, record)
        if kind or self._shares or not self._is_known(record.job):
            before = self._ask_for_past(before, record)
            kind, streak = self._judge(before, record)
        self._streaks[record.job] = streak
        told = before if is_success else streak
        if kind is None or told is None:
            return None
        since = _moment(told.since)
        often = texts.how_often(kind, record.job, since, told.times, MOST)
        return self._alert(kind, record, since, told.times, [often])

    def _ask_for_past(self, before: Optional[Streak], record: Record) -> Optional[Streak]:
        """Return the streak before an end, as the history has it; ``before`` if it does not say."""
        at = record.finished_at or record.started_at
        try:
            ends, alerted_at = self._asker.ask(
                lambda past: (
                    past.ends_before(record.job, at, record.number),
                    past.alerted_at(record.job),
                )
            )
        except NoAnswer:
            return before
        self._told.learn(record.job, ends, alerted_at)
        return streak_of(ends, self._alert_after)

    def _judge(
        self, before: Optional[Streak], record: Record
    ) -> Tuple[Optional[str], Optional[Streak]]:
        if record.outcome == JobExecution.SUCCEEDED:
            return kind_of_success(before), None
        at = record.finished_at or record.started_at
        after = after_failure(before, record.outcome, at, self._alert_after)
        is_quiet = self._told.is_quiet(record.job)
        return kind_of_failure(before, after, is_quiet, self._reminder), after

    def sent(self, alert: Alert) -> None:
        """Note that the last alert has been sent, of a job or of a runner."""
        self._told.can_send(True)
        streak = None if alert.job is None else self._streaks.get(alert.job)
        if alert.job is not None and streak is not None and alert.kind in _OF_FAILURES:
            self._told.sent(alert.job, streak.last)

    def not_sent(self) -> None:
        """Note that the last alert could not be sent, of a job or of a runner."""
        self._told.can_send(False)

    def after_failures(self, successes: List[Record]) -> List[Record]:
        """Return those of ``successes`` that came after a failure: one question for many."""

        def question(past: Past) -> List[Record]:
            return [
                each
                for each in successes
                if past.was_failing(each.job, each.finished_at or each.started_at, each.number)
            ]

        try:
            found = self._asker.ask(question)
        except NoAnswer:
            return [each for each in successes if self._streaks.get(each.job)]
        for each in successes:
            if each not in found:
                self._streaks[each.job] = None
        return found

    def _is_known(self, name: str) -> bool:
        if name in self._streaks:
            return True
        return self._failing_before is not None and name not in self._failing_before

    def abandoned(self, record: Record) -> Alert:
        """Return the alert of an execution that was abandoned because of an error."""
        why = "The runner ended with an error, and could not wait for it."
        return self._alert(ABANDONED, record, _moment(record.started_at), 1, [why])

    def runs_long(
        self, job: RegisteredJob, record: Record, running_for: float
    ) -> Tuple[Optional[Alert], float]:
        """Return the alert of a running execution if it is stuck, and when to ask again.

        The latter is in seconds since it was entered.
        """
        try:
            typical = self._asker.ask(lambda past: past.typical_duration(job.name))
        except NoAnswer:
            return None, running_for + _LOOK_AGAIN
        usual_duration = None if typical is None else dt.timedelta(seconds=typical)
        limit = stuck_after(_period(job, record), usual_duration).total_seconds()
        if running_for <= limit:
            return None, limit
        usual = (
            "It has never succeeded."
            if typical is None
            else f"It usually takes {texts.duration_text(typical)}."
        )
        since = _moment(record.started_at)
        text = f"{job.name} has been running since {texts.moment_text(since)}. {usual}"
        return self._alert(STUCK, record, since, 1, [text], running_for), math.inf

    def _alert(
        self,
        kind: str,
        record: Record,
        since: dt.datetime,
        count: int,
        paragraphs: List[str],
        running_for: float = 0.0,
    ) -> Alert:
        execution, url = self._find(record)
        if kind == TIMED_OUT and not self._shares:
            paragraphs = ["Its runner ends with exit status 1 because of that.", *paragraphs]
        subject = texts.subject_of_job(kind, record.job, record.error, running_for)
        paragraphs = [*paragraphs, *texts.facts_of(execution)]
        return texts.alert_of(kind, since, count, subject, paragraphs, record.job, execution, url)

    def _find(self, record: Record) -> Tuple[JobExecution, Optional[str]]:
        """Return the execution and its URL as they are on record, or what is known without."""

        def look(past: Past) -> Optional[Tuple[JobExecution, Optional[str]]]:
            row = past.execution(record.number)
            if row is None or (record.is_end and row.finished_at is None):
                return None
            return row, admin_url(row)

        for seconds in (*_LOOKS, None):
            try:
                found = self._asker.ask(look)
            except NoAnswer:
                break
            if found:
                return found
            if seconds is None or not self._asker.wait(seconds):
                break
        return unsaved(record), None


def unsaved(record: Record) -> JobExecution:
    """Return an execution that is not on record, with its texts filtered."""
    return JobExecution(
        job=Job(name=record.job),
        number=record.number,
        started_at=from_timestamp(record.started_at),
        finished_at=None if record.finished_at is None else from_timestamp(record.finished_at),
        duration=None if record.duration is None else dt.timedelta(seconds=record.duration),
        due_at=None if record.due_at is None else from_timestamp(record.due_at),
        outcome=record.outcome,
        error=filtered(record.error),
        traceback=filtered(record.traceback),
    )


def _period(job: RegisteredJob, record: Record) -> dt.timedelta:
    """Return the time from the start of an execution to the next, by the schedule."""
    if job.schedule is None:
        return job.interval
    due_at = _moment(record.due_at or record.started_at)
    try:
        return next_start(job.schedule, due_at) - due_at
    except (ScheduleError, OverflowError):
        return dt.timedelta(0)


def _moment(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, dt.timezone.utc)
