"""What this machine can do at all: the limits that the runner is measured against.

    python -m benchmarks.limits [--database postgresql]

It needs what the tests need, and finds the servers as ``tests/settings.py`` says.
"""

import argparse
import datetime as dt
import heapq
import itertools
import logging
import os
import tempfile
import threading
import time
from pathlib import Path
from queue import SimpleQueue

from benchmarks.databases import DATABASES, NAME
from benchmarks.tables import Table

SECONDS = 2.0
ROWS = 100
STARTS = 250  # as many as the recorder writes at once


def per_second(act, times=1):
    """Return how often a second ``act`` does something ``times``, and its CPU seconds per 1000."""
    act()
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < began + SECONDS:
        act()
        count += times
    cpu = time.process_time() - cpu
    return count / (time.perf_counter() - began), 1000 * cpu / count


def set_up(kind):
    """Make an empty history in a database of the benchmarks' own, known to Django."""
    import django

    DATABASES[kind]().create()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["QUICK_JOBS_TEST_DATABASE"] = kind
    path = Path(tempfile.gettempdir(), f"{NAME}.sqlite3")
    os.environ["QUICK_JOBS_TEST_DB_NAME"] = str(path) if kind == "sqlite" else NAME
    django.setup()
    from django.core.management import call_command

    call_command("migrate", "quick_jobs", verbosity=0)


def database_limits():
    """Yield what can be done with the history's own table, and how fast."""
    from django.db import connection
    from django.utils import timezone

    from quick_jobs.databases import database_of
    from quick_jobs.history.record import Record
    from quick_jobs.history.upsert import upsert
    from quick_jobs.models import Job, JobExecution, JobRunner

    database = database_of(connection)
    now = timezone.now()
    job = Job.objects.create(name="shop.jobs.probe")
    runner = JobRunner.objects.create(
        hostname="probe", pid=1, started_at=now, last_heartbeat_at=now
    )

    def execution(**values):
        return JobExecution(job=job, runner=runner, started_at=now, **values)

    def insert_one():
        with connection.cursor() as cursor:
            cursor.execute(one, values)

    def start(number, at):
        return Record(number, job.name, at, None, None, None, JobExecution.RUNNING, "", "")

    def end_one_and_start_the_next():
        number, at = next(numbers), time.time()
        end = Record(number, job.name, at, at, 0.0, 0.0, JobExecution.SUCCEEDED, "", "")
        upsert(database, runner.pk, {job.name: job.pk}, [end, start(number + 1, at)])

    def start_many():
        at = time.time()
        starts = [start(next(numbers), at) for _ in range(STARTS)]
        upsert(database, runner.pk, {job.name: job.pk}, starts)

    def insert_many():
        with connection.cursor() as cursor:
            cursor.execute(many, values * ROWS)

    def create_and_save():
        row = execution()
        row.save()
        row.finished_at, row.outcome = now + dt.timedelta(seconds=1), JobExecution.SUCCEEDED
        row.save()

    def bulk_create():
        JobExecution.objects.bulk_create(
            [execution(finished_at=now, outcome=JobExecution.SUCCEEDED) for _ in range(ROWS)]
        )

    adapt = connection.ops.adapt_datetimefield_value
    values = [runner.pk, job.pk, adapt(now), adapt(now), JobExecution.SUCCEEDED, "", ""]
    insert = (
        "INSERT INTO quick_jobs_jobexecution"
        " (runner_id, job_id, started_at, finished_at, outcome, error, traceback) VALUES "
    )
    row = "(" + ", ".join(["%s"] * len(values)) + ")"
    one, many = insert + row, insert + ", ".join([row] * ROWS)
    yield "INSERT of one row, a commit each: rows/s", per_second(insert_one)
    numbers = itertools.count(1)
    yield (
        "the end of an execution and the start of the next, a commit each: executions/s",
        per_second(end_one_and_start_the_next),
    )
    yield f"{STARTS} starts in a commit: executions/s", per_second(start_many, STARTS)
    yield f"INSERT of {ROWS} rows: rows/s", per_second(insert_many, ROWS)
    yield f"bulk_create of {ROWS}: rows/s", per_second(bulk_create, ROWS)
    yield "create and then save, two commits: executions/s", per_second(create_and_save)


def loop_limits():
    """Yield what a loop and threads can do that keep no history, and how fast."""

    def turn_heap():
        due, number = heapq.heappop(heap)
        if due <= time.monotonic():
            heapq.heappush(heap, (time.monotonic(), number))

    def turn_heap_to_threads():
        for _ in range(1000):
            _, number = heapq.heappop(heap)
            tasks.put(number)
            heapq.heappush(heap, (time.monotonic(), number))
        while tasks.qsize() > 2000:
            time.sleep(0.0005)

    def ping_pong():
        tasks.put(1)
        answers.get()

    def write_mark():
        os.write(file, b"-" * 16)

    def log_line():
        logger.info("%s succeeded in %.3f s", "shop.jobs.probe", 0.0)

    heap = [(time.monotonic(), number) for number in range(1000)]
    yield "loop over a heap of 1000: turns/s", per_second(turn_heap)
    tasks, answers = SimpleQueue(), SimpleQueue()
    threads = [_start(_take, tasks) for _ in range(8)]
    yield "the same, handed over to 8 threads: turns/s", per_second(turn_heap_to_threads, 1000)
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()
    thread = _start(_answer, tasks, answers)
    yield "handed to a thread that waits, and back: times/s", per_second(ping_pong)
    tasks.put(None)
    thread.join()
    file, path = tempfile.mkstemp()
    yield "a mark, which each job of the benchmarks writes: times/s", per_second(write_mark)
    os.close(file)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.Logger("quick_jobs.execution", logging.INFO)
    logger.addHandler(handler)
    yield "a line logged to a file: lines/s", per_second(log_line)
    is_over = threading.Event()
    thread = _start(_compute, is_over)
    # Each line lets go of the interpreter, and has to get it back. The other's CPU counts too.
    yield "the same while another thread computes: lines/s", per_second(log_line)
    is_over.set()
    thread.join()
    handler.close()
    os.unlink(path)


def _take(tasks):
    while tasks.get() is not None:
        pass


def _answer(tasks, answers):
    while True:
        task = tasks.get()
        answers.put(task)
        if task is None:
            return


def _compute(is_over):
    while not is_over.is_set():
        sum(range(1000))


def _start(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=DATABASES, default="postgresql")
    kind = parser.parse_args().database
    table = Table(kind, "a second", "CPU s per 1000")
    set_up(kind)
    try:
        for what, (rate, cpu) in [*database_limits(), *loop_limits()]:
            table.row(what, f"{rate:,.0f}", f"{cpu:.4f}")
    finally:
        from django.db import connections

        connections.close_all()
        DATABASES[kind]().drop()


if __name__ == "__main__":
    main()
