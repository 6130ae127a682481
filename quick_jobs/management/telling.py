"""Alerts and pings of a runner, as configured by the settings and its jobs."""

from __future__ import annotations

import contextlib
from typing import Iterator, List, Optional, Sequence

from quick_jobs.alerting.asking import Asker
from quick_jobs.alerting.fetching import Fetcher
from quick_jobs.alerting.job_news import JobNews
from quick_jobs.alerting.news import Alerts
from quick_jobs.alerting.past import Past
from quick_jobs.alerting.pings import Pings
from quick_jobs.alerting.runner_news import RunnerNews
from quick_jobs.alerting.sender import Sender
from quick_jobs.conf import conf
from quick_jobs.discovery import JobsError
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.models import JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.observer import Observer
from quick_jobs.threads import NoThread


def is_wanted(jobs: Sequence[RegisteredJob]) -> bool:
    """Return whether anybody is to be told something of a runner of these jobs."""
    return conf.alerts is not None or _has_pings(jobs)


def _has_pings(jobs: Sequence[RegisteredJob]) -> bool:
    return conf.heartbeat_url is not None or any(job.ping for job in jobs)


@contextlib.contextmanager
def telling(
    jobs: Sequence[RegisteredJob], identity: RunnerIdentity, is_history_kept: bool
) -> Iterator[List[Observer]]:
    """Provide the observer that sends alerts and pings; finally, waiting ones get two seconds.

    If none are configured, it does nothing, and there is no thread.
    """
    if not is_wanted(jobs):
        yield []
        return
    tell = conf.alerts
    sender = Sender()
    heartbeat_interval = conf.heartbeat_interval.total_seconds()
    shares = identity.kind == JobRunner.CELERY
    observers: List[Observer] = []
    if tell is not None:
        past: Optional[Past] = None
        if is_history_kept:
            past = Past(identity.key, identity.kind)
        # By then, a runner that vanished before this one began is known to be lost.
        second_look = conf.lost_after + conf.heartbeat_interval
        asker = Asker(past, sender.seconds_left)
        runner_news = RunnerNews(
            asker,
            f"{identity.hostname} ({identity.pid})",
            identity.kind in (JobRunner.RUNNER, JobRunner.CELERY),
            conf.lost_after,
            second_look,
            conf.alert_reminder,
            shares,
        )
        job_news = JobNews(asker, conf.alert_after, conf.alert_reminder.total_seconds(), shares)
        observers.append(
            Alerts(
                sender,
                jobs,
                job_news,
                runner_news,
                tell,
                second_look.total_seconds(),
                heartbeat_interval,
                shares,
            )
        )
    if _has_pings(jobs):
        observers.append(Pings(sender, Fetcher(), conf.heartbeat_url, heartbeat_interval))
    try:
        sender.start()
    except NoThread as exc:
        raise JobsError([str(exc)]) from exc
    try:
        yield observers
    finally:
        sender.finish()
