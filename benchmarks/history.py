"""A long history for the benchmarks: many executions, close together, of jobs busy and rare."""

import datetime as dt
import io
import random
import uuid

from django.db import connection

from quick_jobs.models import Job, JobExecution, JobRunner

DAYS = 30
JOBS = 200
RUNNERS = 60
TRACEBACK = "Traceback (most recent call last):\n" + '  File "shop/jobs.py", line 12, in run\n' * 40
COLUMNS = (
    "job_id",
    "runner_id",
    "number",
    "started_at",
    "finished_at",
    "duration",
    "lateness",
    "outcome",
    "error",
    "traceback",
    "fingerprint",
    "note",
    "stack",
    "log",
)


def fill(rows, now, log=0):
    """Fill the empty database with ``rows`` executions that end ``now`` (aware).

    Each has a log of so many bytes.
    """
    jobs, runners = make_jobs(), make_runners(now)
    # MariaDB would make indexes of its own in place of those that foreign keys need.
    indexes = JobExecution._meta.indexes if connection.vendor == "postgresql" else []
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.remove_index(JobExecution, index)
    load = {"postgresql": copy, "mysql": insert, "sqlite": insert}[connection.vendor]
    for first in range(0, rows, 200_000):
        some = executions(jobs, runners, rows, first, min(first + 200_000, rows), now)
        load((*columns, log_of(log, columns)) for columns in some)
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.add_index(JobExecution, index)
    with connection.cursor() as cursor:
        cursor.execute(
            {
                "postgresql": "VACUUM ANALYZE",
                "mysql": "ANALYZE TABLE quick_jobs_jobexecution",
                "sqlite": "ANALYZE",
            }[connection.vendor]
        )


def make_jobs():
    Job.objects.bulk_create(
        Job(name=f"shop.jobs.job_{number:03}", interval=dt.timedelta(seconds=10 + number))
        for number in range(JOBS)
    )
    return list(Job.objects.order_by("name").values_list("pk", flat=True))


def make_runners(now):
    """Make pairs that live one after the other; of the last pair one is lost."""
    life = dt.timedelta(days=DAYS) / (RUNNERS // 2)
    start = now - dt.timedelta(days=DAYS)
    for number in range(RUNNERS):
        started_at = start + life * (number // 2)
        is_last = number >= RUNNERS - 2
        runner = JobRunner.objects.create(
            key=uuid.uuid4(),
            hostname=f"worker-{number % 2}",
            pid=1000 + number,
            started_at=started_at,
            # One is lost, the other still alive when all is filled.
            last_heartbeat_at=now + dt.timedelta(hours=-1 if number == RUNNERS - 1 else 24),
            stopped_at=None if is_last else started_at + life,
            stop_reason="" if is_last else JobRunner.SIGNAL,
        )
        runner.jobs.set(Job.objects.all())
    return list(JobRunner.objects.order_by("pk").values_list("pk", flat=True))


def executions(jobs, runners, rows, first, last, now):
    """Yield the columns of executions ``first`` to ``last`` of all ``rows``."""
    chance = random.Random(first)
    step = dt.timedelta(days=DAYS) / rows
    pairs = len(runners) // 2
    for number in range(first, last):
        started_at = now - step * (rows - number)
        # A few jobs run most of the time, many seldom.
        job = jobs[int(len(jobs) * chance.random() ** 3)]
        runner = runners[2 * (number * pairs // rows) + number % 2]
        duration = dt.timedelta(milliseconds=int(chance.expovariate(1) * 400))
        draw = chance.random()
        outcome, error, traceback = "succeeded", "", ""
        if draw < 0.005:
            outcome, traceback = "failed", TRACEBACK
            error = f"ConnectionError: supplier {number % 97} does not answer"
        elif draw < 0.0055:
            outcome = "interrupted"
        elif rows - number < 5:
            outcome = "running"
        ended = outcome != "running"
        yield (
            job,
            runner,
            number,
            started_at,
            started_at + duration if ended else None,
            duration if ended else None,
            dt.timedelta(milliseconds=2),
            outcome,
            error,
            traceback,
            "ConnectionError in run (shop/jobs.py)" if error else "",
            "",
            "",
        )


def log_of(size, columns):
    """Return a log, which a database can hardly compress."""
    return random.Random(columns[2]).getrandbits(4 * size).to_bytes((size + 1) // 2, "big").hex()


def copy(rows):
    text = io.StringIO()
    for row in rows:
        values = ("\\N" if value is None else str(value).replace("\n", "\\n") for value in row)
        text.write("\t".join(values) + "\n")
    sql = f"COPY quick_jobs_jobexecution ({', '.join(COLUMNS)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(sql) as to:
        to.write(text.getvalue())


def insert(rows):
    JobExecution.objects.bulk_create(
        (JobExecution(**dict(zip(COLUMNS, row))) for row in rows), batch_size=2000
    )
