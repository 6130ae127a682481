"""How fast old history goes, and how long others have to wait meanwhile.

    python -m benchmarks.prune [--database postgresql] [--rows 10000000] [--log 4096]

For each database it makes a history of 30 days, and deletes all but the last
three: with one ``DELETE``, with ``QuerySet.delete()``, with
``prune_job_history``, and as a runner does it by itself. Meanwhile another
process writes starts of executions, as a runner does, and measures how long
each takes. Every way begins with a copy of the same history, and is a process
of its own.

It needs what the tests need, finds the servers as ``tests/settings.py`` says,
and uses databases of its own, whose names begin with ``quick_jobs_benchmark``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import multiprocessing
import os
import shutil
import socket
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

KEPT_DAYS = 3
TEMPLATE = "quick_jobs_benchmark"
COPY = "quick_jobs_benchmark_copy"
TABLES = ("job", "jobrunner", "jobrunner_jobs", "jobexecution")

#: Seconds between two starts that the other process writes.
WRITER_PAUSE = 0.005


class Deletion(NamedTuple):
    """What a way to delete has taken, in rows, seconds and bytes."""

    rows: int
    seconds: float
    longest_batch: float
    pace_kept: float
    peak_memory: int


# Ways to delete. Each returns, after each batch: the moment, the rows deleted so far, and the
# seconds it took.


def one_delete(cutoff):
    from django.db import connection

    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(
            "DELETE FROM quick_jobs_jobexecution WHERE started_at < %s",
            [connection.ops.adapt_datetimefield_value(cutoff)],
        )
        now = time.perf_counter()
        return [(now, cursor.rowcount, now - began)]


def queryset_delete(cutoff):
    from quick_jobs.models import JobExecution

    began = time.perf_counter()
    deleted, _ = JobExecution.objects.filter(started_at__lt=cutoff).delete()
    now = time.perf_counter()
    return [(now, deleted, now - began)]


def command(cutoff):
    return prune_with_command()


def command_keep_last(cutoff):
    return prune_with_command("--keep-last=10")


def prune_with_command(*options):
    from django.core.management import call_command

    with recorded_steps() as steps:
        arguments = [f"--older-than={KEPT_DAYS}d", *options]
        call_command("prune_job_history", *arguments, stdout=io.StringIO())
    return steps


def runner(cutoff):
    from django.conf import settings

    from quick_jobs.history.pruning import Pruning

    settings.QUICK_JOBS_HISTORY_RETENTION = dt.timedelta(days=KEPT_DAYS)
    with recorded_steps() as steps:
        pruning = Pruning.by_retention("default")
        while not pruning.step():
            time.sleep(pruning.pause)
    return steps


WAYS = {
    "one `DELETE`": one_delete,
    "`QuerySet.delete()`": queryset_delete,
    "`prune_job_history`": command,
    "`prune_job_history --keep-last 10`": command_keep_last,
    "a runner by itself": runner,
}


@contextlib.contextmanager
def recorded_steps():
    """Take down each batch: the moment, the rows so far, and the seconds without the commit."""
    from quick_jobs.history.batch_size import BatchSize

    steps = []
    learn = BatchSize.learn

    def record(size, deleted, seconds):
        steps.append((time.perf_counter(), deleted + (steps[-1][1] if steps else 0), seconds))
        learn(size, deleted, seconds)

    BatchSize.learn = record
    try:
        yield steps
    finally:
        BatchSize.learn = learn


# Processes.


def use(kind, name):
    """Make this process one that works on the database ``name``."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["QUICK_JOBS_TEST_DATABASE"] = kind
    os.environ["QUICK_JOBS_TEST_DB_NAME"] = str(path_of(name)) if kind == "sqlite" else name
    django.setup()


def path_of(name):
    return Path(tempfile.gettempdir(), f"{name}.sqlite3")


def make_template(kind, rows, log, answer):
    use(kind, TEMPLATE)
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.history import fill

    create_database(TEMPLATE)
    call_command("migrate", "quick_jobs", verbosity=0)
    fill(rows, dt.datetime.now(dt.timezone.utc), log)
    answer.send(".".join(map(str, server_version(connection))))


def server_version(connection):
    if connection.vendor == "postgresql":
        return divmod(connection.pg_version, 10_000)
    if connection.vendor == "mysql":
        return connection.mysql_version
    return connection.Database.sqlite_version_info


def make_copy(kind, answer):
    use(kind, COPY)
    from django.core.management import call_command
    from django.db import connection

    if kind == "sqlite":
        shutil.copy(str(path_of(TEMPLATE)), str(path_of(COPY)))
    elif kind == "postgresql":
        create_database(COPY, f"TEMPLATE {TEMPLATE}")
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
    else:
        create_database(COPY)
        call_command("migrate", "quick_jobs", verbosity=0)
        with connection.cursor() as cursor:
            for table in TABLES:
                table = f"quick_jobs_{table}"
                cursor.execute(f"INSERT INTO {table} SELECT * FROM {TEMPLATE}.{table}")
            cursor.execute("ANALYZE TABLE quick_jobs_jobexecution")
    answer.send(None)


def create_database(name, how=""):
    from django.db import connection

    connection.close()
    if connection.vendor == "sqlite":
        for path in path_of(name).parent.glob(f"{path_of(name).name}*"):
            path.unlink()
        return
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} {how}")


def drop_databases(kind, answer):
    use(kind, TEMPLATE)
    for name in (TEMPLATE, COPY):
        create_database(name)
        if kind != "sqlite":
            from django.db import connection

            with connection._nodb_cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name}")
    answer.send(None)


def delete(kind, way, answer):
    use(kind, COPY)
    from django.db import connection

    from quick_jobs.databases import database_now

    cutoff = database_now("default") - dt.timedelta(days=KEPT_DAYS)
    connection.ensure_connection()
    began = time.perf_counter()
    steps = WAYS[way](cutoff)
    seconds = time.perf_counter() - began
    rows = max(step[1] for step in steps)
    answer.send(
        Deletion(
            rows=rows,
            seconds=seconds,
            longest_batch=max(step[2] for step in steps),
            pace_kept=pace_kept(began, steps, rows),
            peak_memory=peak_memory(),
        )
    )


def pace_kept(began, steps, rows):
    """Return how fast the last third of the rows went, as a share of how fast the first did."""
    moments = [next(step[0] for step in steps if step[1] >= rows * part / 3) for part in (1, 2, 3)]
    return (moments[0] - began) / max(moments[2] - moments[1], 1e-9)


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def write(kind, answer):
    """Write starts of executions until told to stop; then send how many seconds each took."""
    use(kind, COPY)
    from django.conf import settings

    if kind == "sqlite":
        settings.DATABASES["default"]["OPTIONS"]["timeout"] = 600
    from quick_jobs.history.identity import RunnerIdentity
    from quick_jobs.history.record import Record
    from quick_jobs.history.storage import Storage
    from quick_jobs.models import JobExecution
    from quick_jobs.registration import RegisteredJob

    def work(env):
        pass

    job = RegisteredJob(work, dt.timedelta(seconds=60))
    identity = RunnerIdentity(uuid.uuid4(), socket.gethostname(), os.getpid(), time.time())
    storage = Storage(identity, [job])
    storage.register()
    answer.send(None)
    number, waits = 0, []
    while not answer.poll():
        number += 1
        began = time.perf_counter()
        storage.write(
            [Record(number, job.name, time.time(), None, None, None, JobExecution.RUNNING, "", "")]
        )
        if number % 100 == 0:
            storage.beat(0)
        waits.append(time.perf_counter() - began)
        time.sleep(WRITER_PAUSE)
    answer.send(waits)


class Process:
    """A function in a process of its own, which sends its answers."""

    _context = multiprocessing.get_context("spawn")

    def __init__(self, function, *args):
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=function, args=(*args, other), daemon=True)
        self._process.start()
        other.close()

    def answer(self):
        return self._pipe.recv()

    def tell(self):
        self._pipe.send(None)


def measure(kind, way, seconds_before=2):
    """Return the :class:`Deletion`, and the waits of the other writer before and meanwhile."""
    Process(make_copy, kind).answer()
    writer = Process(write, kind)
    writer.answer()
    time.sleep(seconds_before)
    deletion = Process(delete, kind, way).answer()
    writer.tell()
    return deletion, writer.answer()


def report(kind, rows, log, ways):
    version = Process(make_template, kind, rows, log).answer()
    print(f"\n{kind} {version}, {rows:,} executions, of which nine tenths are old\n")
    columns = [
        "",
        "rows/s",
        "of one `DELETE`",
        "last third to first",
        "peak memory",
        "longest batch, without commit",
        "writer waited at most",
        "99 %",
    ]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    fastest = None
    for way in ways:
        deletion, waits = measure(kind, way)
        speed = deletion.rows / deletion.seconds
        fastest = fastest or speed
        cells = [
            way,
            f"{speed:,.0f}",
            f"{speed / fastest:.2f}",
            f"{deletion.pace_kept:.2f}" if way not in list(WAYS)[:2] else "",
            f"{deletion.peak_memory / 1e6:.0f} MB",
            f"{deletion.longest_batch * 1000:,.0f} ms",
            f"{max(waits) * 1000:,.0f} ms",
            f"{statistics.quantiles(waits, n=100)[98] * 1000:,.0f} ms",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    Process(drop_databases, kind).answer()


def main():
    kinds = ["sqlite", "postgresql", "mariadb"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", action="append", choices=kinds)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--log", type=int, default=0, help="bytes of log that each execution has")
    parser.add_argument("--ways", help="numbers of the ways, such as 1,3 (default: all)")
    options = parser.parse_args()
    ways = list(WAYS)
    if options.ways:
        ways = [ways[int(number) - 1] for number in options.ways.split(",")]
    for kind in options.database or kinds:
        report(kind, options.rows, options.log, ways)


if __name__ == "__main__":
    main()
