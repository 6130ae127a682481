"""Whether a runner that has been at work for long needs more than one that has just begun.

    python -m benchmarks.leaks [--executions 200000] [--database postgresql]

One real ``run_jobs`` process, with full history, runs jobs that end in every way: well, with an
error, with a query, with a transaction left open, after a sleep. Memory, threads, file
descriptors and connections are taken from outside, twenty times. The exit status is 1 if the
most of any in the second half is more than in the first by over a twentieth, and more than one.
"""

import argparse
import os
import sys
import time

from benchmarks import marks
from benchmarks.databases import DATABASES
from benchmarks.processes import resident_bytes, threads
from benchmarks.sites import Load, Site
from benchmarks.tables import Table

_SAMPLES = 20

_TOLERANCE = 1.05

COLUMNS = ("memory, MB", "threads", "file descriptors", "connections")

JOBS = """
import time
from datetime import timedelta
from django.db import connection, transaction
from quick_jobs import register_job
from marks import mark

def ends_well():
    pass

def fails():
    raise ValueError("x" * 1000)

def queries():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

def leaves_open():
    transaction.atomic().__enter__()
    queries()

def sleeps():
    time.sleep(0.02)

def make(number, kind):
    def run(env):
        mark(number)
        kind()

    run.__name__ = run.__qualname__ = f"{kind.__name__}_{number}"
    return register_job(interval=kinds[kind], timeout=timedelta(hours=1))(run)

kinds = {ends_well: 0.01, fails: 0.02, queries: 0.01, leaves_open: 0.02, sleeps: 0}
for number in range(1, 21):
    job = make(number, list(kinds)[number % len(kinds)])
    globals()[job.name.rpartition(".")[2]] = job
"""


class LeakySite(Site):
    files = {"shop/jobs.py": JOBS}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=200_000)
    parser.add_argument("--database", choices=sorted(DATABASES), default="postgresql")
    options = parser.parse_args()
    database = DATABASES[options.database]()
    with LeakySite(database, Load(0), log_level="CRITICAL") as site, site.running() as processes:
        table = Table("executions", *COLUMNS)
        samples = []
        for number in range(1, _SAMPLES + 1):
            executions = options.executions * number // _SAMPLES
            while site.marks.stat().st_size < executions * marks.SIZE:
                processes.check()
                time.sleep(0.1)
            samples.append(sample(database, processes.pids()))
            table.row(f"{executions:,}", *samples[-1])
    half = _SAMPLES // 2
    for name, *taken in zip(COLUMNS, *samples):
        before, after = max(taken[:half]), max(taken[half:])
        if after > max(before + 1, _TOLERANCE * before):
            sys.exit(f"{name}: {after} at most in the second half, after {before} in the first.")


def sample(database, pids):
    """Return the most of each in a second, as jobs come and go."""
    seen = []
    end = time.monotonic() + 1
    while time.monotonic() < end:
        files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
        memory = round(resident_bytes(pids) / 1e6, 1)
        seen.append((memory, threads(pids), files, database.connections(pids)))
        time.sleep(0.01)
    return tuple(map(max, zip(*seen)))


if __name__ == "__main__":
    main()
