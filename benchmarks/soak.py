"""Whether the history stays true whatever happens to the database and to the runners.

    python -m benchmarks.soak [--minutes 5] [--database sqlite] [--seed 1]

Two ``run_jobs`` processes at a time run jobs of which each execution writes its own proof to a
file. Meanwhile, faults come at random moments, those of the database and those of the runners
independently of each other. A server is one of the soak's own, behind a proxy; it needs the
programs of that server. SQLite's disk runs full only if the soak is run by root, who may mount
one. So that a silent connection costs no half a minute each time, the runners give one up after
three seconds.

In the end, each proof is compared with the history and with what the runners have logged as not
saved. An execution is lost if it or its end is on record nowhere, doubled if there is a record
without a proof, and wrong if it has another outcome than it had. What a runner has done shortly
before it was killed may be missing, and so may all since a fault of the database began that was
not over for long: that is counted as cut off. The exit status is 1 if any is lost, doubled or
wrong.

The seed decides which faults come, when, and how long they last; the rest is up to the machine.
"""

import argparse
import datetime as dt
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Optional

import django

from benchmarks.databases import DATABASES
from benchmarks.tables import Table

_AT_ONCE = 2

# Seconds after a fault of the database until what waited in memory is on record: the longest
# pause between two tries, and some for a busy machine.
_CATCH_UP = 5.0

# Seconds until what has happened is on record, on a busy machine without a fault.
_WRITE = 2.0

# The databases keep microseconds, and the wall clock may be steered a little.
_CLOCK_TOLERANCE = 0.01

_WRONG = ("lost", "doubled", "wrong")

_NOT_SAVED = re.compile(r" ERROR not saved: (.*)\n")

_COLUMNS = ("number", "started_at", "finished_at", "outcome", "lateness")

IMPATIENT = """
from quick_jobs.runner import silence

silence._WARN_AFTER = 1.0
silence._BREAK_OFF_AFTER = 3.0
"""

BUSY_FAILS = """
@register_job(interval=0.05)
def busy_fails(env):
    with seen("busy_fails"):
        raise ValueError("x" * 5000)
"""


class Record(NamedTuple):
    """An execution as the history or the log has it."""

    number: int
    began: float
    ended: Optional[float]
    outcome: str


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--database", choices=sorted(DATABASES), default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    print(f"{options.database}, {options.minutes:g} minutes, --seed {options.seed}")
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quick_jobs_soak_")))
        ends = soak(path, options, stack)
    if any(ends[each] for each in _WRONG):
        sys.exit(1)


def soak(path, options, stack):
    """Run it, print the tables, and return how many executions have ended in which way."""
    from benchmarks import soak_faults
    from tests.faults.shops import BUSY, STEADY, Shop

    new_faults = (
        soak_faults.FileFaults if options.database == "sqlite" else soak_faults.ServerFaults
    )
    database = new_faults(options.database, path, stack)
    shop = Shop(path, database.settings)
    migrated = shop.run("migrate", "--verbosity=0")
    assert migrated.returncode == 0, migrated.stderr
    shop.jobs(IMPATIENT, STEADY, BUSY, BUSY_FAILS)
    stack.callback(shop.end)
    runners = soak_faults.Runners(shop)
    for _ in range(_AT_ONCE):
        runners.start()

    end = time.time() + 60 * options.minutes
    faults = {"database": [], "runners": []}
    kinds = {"database": database.kinds, "runners": runners.kinds}
    with ThreadPoolExecutor() as threads:
        injecting = []
        for name in faults:
            rng = random.Random(f"{options.seed} {name}")
            injecting.append(
                threads.submit(soak_faults.inject, kinds[name], rng, end, faults[name])
            )
    for each in injecting:
        each.result()
    time.sleep(_CATCH_UP)
    runners.stop()

    table = Table("fault", "times")
    times = Counter(each.kind for each in chain.from_iterable(faults.values()))
    for kind in sorted(times):
        table.row(kind, times[kind])
    ends = judge(shop, runners, faults["database"])
    executions = sum(len(each) for each in shop.visits().values())
    columns = ("cut off", *_WRONG)
    logged = sum(len(_NOT_SAVED.findall(each.output)) for each in runners.all)
    table = Table("executions", "runners", "in the log", *columns)
    table.row(f"{executions:,}", len(runners.all), logged, *(ends[each] for each in columns))
    if any(ends[each] for each in _WRONG):
        logs = Path(tempfile.mkdtemp(prefix="quick_jobs_soak_logs_"))
        for runner in runners.all:
            (logs / f"{runner.pid}.txt").write_text(runner.output, encoding="utf-8")
        print(f"What the runners have logged is in {logs}; the faults: {faults}")
    return ends


def judge(shop, runners, faults):
    """Return how many executions have ended in which way; print those that must not be."""
    visits, records = shop.visits(), records_of(shop, runners.all)
    ends = Counter()
    for key in sorted(visits.keys() | records.keys()):
        pid, job = key
        killed_at = runners.killed.get(pid)
        since = may_miss_since(killed_at, faults) if killed_at else float("inf")
        for outcome, visit, record in compare(visits.get(key, []), records.get(key, []), since):
            ends[outcome] += 1
            if outcome in _WRONG:
                killed = f", killed at {killed_at}, may miss since {since}" if killed_at else ""
                print(f"{outcome}: {job} in process {pid}{killed}: {visit}, {record}")
    return ends


def records_of(shop, runners):
    """Return the records by process and job, in order: the log's where the runner could not save.

    Executions that were stopped before their job began are left out.
    """
    from quick_jobs.models import JobExecution

    found = defaultdict(list)
    with shop.database() as using:
        rows = JobExecution.objects.using(using)
        for pid, job, *row in rows.values_list("runner__pid", "job__name", *_COLUMNS):
            found[pid, job].append(row)
    for runner in runners:
        for text in _NOT_SAVED.findall(runner.output):
            logged = json.loads(text)
            for name in ("started_at", "finished_at"):
                logged[name] = logged[name] and dt.datetime.fromisoformat(logged[name])
            key = runner.pid, logged["job"]
            found[key] = [row for row in found[key] if row[0] != logged["number"]]
            found[key].append([logged[name] for name in _COLUMNS])
    return {
        key: [
            Record(number, began.timestamp(), ended and ended.timestamp(), outcome)
            for number, began, ended, outcome, lateness in sorted(rows, key=lambda row: row[1])
            if outcome != "interrupted" or lateness is not None
        ]
        for key, rows in found.items()
    }


def may_miss_since(killed_at, faults):
    """Return since when a runner that was killed then may have had records in memory only."""
    since = killed_at - _WRITE
    for fault in sorted(faults, key=lambda fault: -fault.began):
        if fault.began <= killed_at and fault.ended + _CATCH_UP >= since:
            since = min(since, fault.began - _WRITE)
    return since


def compare(visits, records, since):
    """Yield each execution of a job in a runner, and each other record: how it ended, and both.

    ``visits`` are the executions as the job saw them; what was not saved ``since`` is cut off.
    """
    rest = list(reversed(records))
    for visit in visits:
        while rest and rest[-1].ended and rest[-1].ended < visit.began - _CLOCK_TOLERANCE:
            yield "doubled", None, rest.pop()
        if not rest or rest[-1].began > visit.began + _CLOCK_TOLERANCE:
            yield "cut off" if visit.began >= since else "lost", visit, None
            continue
        record = rest.pop()
        if record.outcome == "running":
            is_cut_off = (visit.ended or since) >= since and since < float("inf")
            yield "cut off" if is_cut_off else "lost", visit, record
        elif visit.ended is None:
            yield "wrong", visit, record
        else:
            expected = "failed" if visit.job.endswith("_fails") else "succeeded"
            yield "right" if record.outcome == expected else "wrong", visit, record
    for record in rest:
        is_cut_off = record.outcome == "running" and record.began >= since
        yield "begun and killed" if is_cut_off else "doubled", None, record


if __name__ == "__main__":
    main()
