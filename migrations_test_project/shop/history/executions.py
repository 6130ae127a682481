"""Executions that never were: what a job did while a runner lived, by given chance."""

import datetime as dt
from typing import NamedTuple, Tuple

from quick_jobs.models import JobExecution

#: Shown behind the host's name, so that nobody takes a runner for a real one.
MADE_UP = "(made up)"

MINUTE = 60
HOUR = 60 * MINUTE

STACK = """\
  File "/srv/shop/shop/search/jobs.py", line 31, in rebuild_index
    for product in env.track(Product.objects.iterator(), total=Product.objects.count()):
  File "/srv/shop/shop/search/index.py", line 118, in add
    self.client.index(product.pk, body=self.document_of(product))
  File "/usr/lib/python3.12/ssl.py", line 1103, in read
    return self._sslobj.read(len, buffer)
"""


class Kind(NamedTuple):
    """A job, in seconds; ``error`` comes with the probability ``failing``, and always lately."""

    name: str
    interval: int
    variance: int
    takes: float
    failing: float = 0.0
    error: str = ""
    traceback: str = ""
    broken_for: int = 0
    timeout: int = 0
    first: int = 0  # after the runner's start; 0 is by chance
    note: str = ""
    failed_note: str = ""
    log: str = ""
    stack: str = STACK  # and how far it is, while it runs
    reached: Tuple[int, int] = (12_030, 41_877)


def save(rows):
    """Number the executions of each runner by their starts, and save them."""
    rows.sort(key=lambda row: row.started_at)
    numbers = {}
    for row in rows:
        row.number = numbers[row.runner_id] = numbers.get(row.runner_id, 0) + 1
    JobExecution.objects.bulk_create(rows, batch_size=500)


def said(kind, outcome, moment, end):
    """Return what an execution has said and reached."""
    if outcome == JobExecution.RUNNING:
        return {
            "log": "",
            "stack": kind.stack,
            "progress_done": kind.reached[0],
            "progress_total": kind.reached[1],
            "cpu_time": (end - moment) / 9,
            "observed_at": end - dt.timedelta(seconds=7),
        }
    moments = (moment + dt.timedelta(seconds=seconds) for seconds in (0.2, 10.4, 20.9))
    return {
        "note": kind.failed_note if outcome == JobExecution.FAILED else kind.note,
        "log": kind.log.format(*(f"{moment:%H:%M:%S}" for moment in moments)),
        "fingerprint": f"{kind.error.split(':')[0]} {kind.name}"
        if outcome == JobExecution.FAILED
        else "",
        "cpu_time": dt.timedelta(seconds=kind.takes / 9),
    }


def executions(chance, kind, job, runner, start, end, now):
    """Yield the executions of ``job`` in a runner that lived from ``start`` to ``end``."""
    first = kind.first or chance.uniform(1, max(30, min(kind.interval / 3, 900)))
    moment = start + dt.timedelta(seconds=first)
    while moment < end:
        seconds = kind.takes * chance.lognormvariate(0, 0.25)
        outcome, error, traceback = JobExecution.SUCCEEDED, "", ""
        outage = now - dt.timedelta(hours=1, minutes=50) < moment < now - dt.timedelta(minutes=55)
        failing = 0.85 if outage and kind.failing > 0.01 else kind.failing
        if chance.random() < failing or moment > now - dt.timedelta(seconds=kind.broken_for):
            outcome, error, traceback = JobExecution.FAILED, kind.error, kind.traceback
            seconds = 0.4 if kind.broken_for else 30.0
        elif kind.timeout and chance.random() < 0.04:
            outcome, seconds = JobExecution.TIMED_OUT, kind.timeout
            error = "Still running after 5 min"
        finished = moment + dt.timedelta(seconds=seconds)
        if finished > end:
            if end == now or runner.stopped_at is None:
                outcome, finished = JobExecution.RUNNING, None
            else:
                outcome, finished = JobExecution.INTERRUPTED, end
                seconds = (end - moment).total_seconds()
        yield JobExecution(
            **said(kind, outcome, moment, end),
            job=job,
            runner=runner,
            started_at=moment,
            finished_at=finished,
            duration=dt.timedelta(seconds=seconds) if finished else None,
            lateness=dt.timedelta(milliseconds=chance.expovariate(1 / 3)),
            outcome=outcome,
            error=error,
            traceback=traceback,
        )
        pause = kind.interval + chance.uniform(0, kind.variance)
        moment += dt.timedelta(seconds=max(pause, seconds))
