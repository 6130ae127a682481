"""A project whose jobs leave word in a file, to be compared with what the history says."""

import signal
import textwrap
from collections import defaultdict
from contextlib import contextmanager
from typing import NamedTuple, Optional

from django.db import connections

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.faults.clocks import WallClock
from tests.faults.servers import new_connection
from tests.site import Site, wait_until

#: What the jobs leave word with. A line is one write, so the lines of many processes do not mix.
WITNESS = """
import contextlib
import os
import time

_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "witness.txt")
_file = os.open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def tell(event, name):
    now = (time.time(), time.monotonic())
    os.write(_file, ("%s %s %d %r %r\\n" % ((event, name, os.getpid()) + now)).encode())

@contextlib.contextmanager
def seen(name):
    tell("began", name)
    try:
        yield
    finally:
        tell("ended", name)
"""

PREAMBLE = """
import os
import random
import signal
import subprocess
import sys
import threading
import time

from django.db import connection, connections, transaction

from quick_jobs import register_job
from witness import seen, tell
"""

STEADY_INTERVAL = 0.5

#: Ten jobs that begin twice a second, for up to 0.27 seconds; the last fails each time.
STEADY = "".join(
    f"""
@register_job(interval={STEADY_INTERVAL})
def {name}(env):
    with seen("{name}"):
        time.sleep({0.03 * number})
        assert {name.endswith("_succeeds")}, "nine"
"""
    for number, name in enumerate([*(f"steady_{n}_succeeds" for n in range(9)), "steady_9_fails"])
)

#: Begins a hundred times a second.
BUSY = """
    @register_job(interval=0.01)
    def busy(env):
        with seen("busy"):
            pass
"""

#: The first numbers its executions; the second is one execution, which says more and more.
TALKATIVE = """
    import itertools
    import logging

    numbers = itertools.count()

    @register_job(interval=0.2)
    def says_its_number(env):
        with seen("says_its_number"):
            number = next(numbers)
            print("printed", number)
            logging.getLogger("shop.mail").info("logged %d", number)
            env.note(f"noted {number}")

    @register_job(interval=3600)
    def goes_on_and_on(env):
        with seen("goes_on_and_on"):
            for number in itertools.count(1):
                print("line", number)
                env.progress(number)
                time.sleep(0.25)
                if env.is_stopping:
                    break
"""

#: What a busy machine may add to a start: less than the start-record timeout.
SLACK = 0.7

#: The shops' heartbeats come every second.
LOST_AFTER = 4

#: The setting's default, in seconds.
START_RECORD_TIMEOUT = 1.0

# The wall clock may be steered a little while a job runs, and the databases keep microseconds.
_CLOCK_TOLERANCE = 0.01

# Seconds that may lie between what a job and what its runner sees of one moment, when the machine
# is very busy or the process suspended. A wrong time zone makes more than that.
_VIEW_TOLERANCE = 60

# What the runners of a project are, as its own processes see it.
_STATES = """
from quick_jobs.models import JobRunner
for state in ("alive", "lost", "stopped"):
    print(getattr(JobRunner.objects, state)().count())
"""


class Visit(NamedTuple):
    """An execution as the job itself saw it; POSIX and monotonic times, in seconds.

    It has not ``ended`` if the process ended first.
    """

    job: str
    pid: int
    began: float
    began_monotonic: float
    ended: Optional[float] = None
    ended_monotonic: Optional[float] = None


class Shop(Site):
    """A project in ``path``, on the database with these settings or else on the test database."""

    def __init__(self, path, database=None):
        super().__init__(path, connections["default"].settings_dict["NAME"])
        self.write("witness.py", WITNESS)
        self.settings(f"QUICK_JOBS_HEARTBEAT_INTERVAL = 1\nQUICK_JOBS_LOST_AFTER = {LOST_AFTER}")
        self._database = database
        if database:
            self.settings(f"DATABASES = {{'default': {database!r}}}")

    def own_clock(self):
        """Return a wall clock for its processes, which is right at first."""
        clock = WallClock(self.path)
        self.variables.update(clock.environment)
        return clock

    def jobs(self, *texts):
        """Write the jobs of the app ``shop``, who know the witness."""
        self.write("shop/jobs.py", "\n".join([PREAMBLE, *map(textwrap.dedent, texts)]))

    # What the history says.

    @contextmanager
    def database(self):
        """Give the alias by which the shop's database is to be asked in the test's process."""
        if not self._database:
            yield "default"
            return
        settings = dict(self._database)
        if settings["ENGINE"].endswith("sqlite3"):
            settings["OPTIONS"] = {"timeout": 20}  # the test is no part of what is tested
        connections["shop"] = connection = new_connection(settings, "shop")
        try:
            yield "shop"
        finally:
            connection.close()
            del connections["shop"]

    def executions(self, **conditions):
        """Return the executions, with their jobs and runners, in the order of their starts."""
        with self.database() as using:
            found = JobExecution.objects.using(using).filter(**conditions)
            return list(found.select_related("job", "runner").order_by("runner", "number"))

    def count(self, **conditions):
        with self.database() as using:
            return JobExecution.objects.using(using).filter(**conditions).count()

    def runners(self, state="all"):
        """Return all runners, or those that are ``alive``, ``lost`` or ``stopped``."""
        with self.database() as using:
            return list(getattr(JobRunner.objects.using(using), state)().order_by("pk"))

    def runner(self):
        (runner,) = self.runners()
        return runner

    def job_names(self):
        with self.database() as using:
            return list(Job.objects.using(using).order_by("name").values_list("name", flat=True))

    def wait_for_more(self, number=20, timeout=20, **conditions):
        """Wait until there are ``number`` more executions on record than now."""
        enough = self.count(**conditions) + number
        wait_until(lambda: self.count(**conditions) >= enough, timeout)

    def wait_for_heartbeat(self, timeout=20):
        """Wait until the only runner says that it is alive."""
        before = self.runner().last_heartbeat_at
        wait_until(lambda: self.runner().last_heartbeat_at != before, timeout)

    def states(self):
        """Return how many runners are alive, lost and stopped for the project's own processes."""
        asked = self.run("shell", "--verbosity=0", "-c", _STATES)
        assert asked.returncode == 0, asked.stderr
        return tuple(map(int, asked.stdout.split()))

    # What the jobs say.

    def told(self):
        """Return the words of every whole line that was written, in order."""
        path = self.path / "witness.txt"
        text = path.read_text() if path.exists() else ""
        return [line.split() for line in text.split("\n")[:-1]]

    def visits(self):
        """Return all executions as the jobs saw them, by process and job, in order."""
        visits = defaultdict(list)
        for event, name, pid, wall, monotonic in self.told():
            key = int(pid), f"shop.jobs.{name}"
            if event == "began":
                visits[key].append(Visit(name, int(pid), float(wall), float(monotonic)))
            elif event == "ended":
                visits[key][-1] = visits[key][-1]._replace(
                    ended=float(wall), ended_monotonic=float(monotonic)
                )
        return dict(visits)

    def number_of_visits(self):
        return sum(map(len, self.visits().values()))

    def pauses(self):
        """Return the seconds between each two starts that follow each other, by steady job."""
        return {
            visits[0].job: [
                later.began_monotonic - earlier.began_monotonic
                for earlier, later in zip(visits, visits[1:])
            ]
            for visits in self.visits().values()
            if visits[0].job.startswith("steady")
        }

    def assert_no_start_was_late(self, slack=SLACK):
        """No steady job takes longer than its interval, so that lies between two starts of it."""
        for job, pauses in self.pauses().items():
            assert max(pauses) < STEADY_INTERVAL + slack, (job, pauses)

    def assert_starts_were_late_once_at_most(self):
        """As above, but that each job may have waited once for a record that did not come."""
        for job, pauses in self.pauses().items():
            late = [pause for pause in pauses if pause > STEADY_INTERVAL + SLACK]
            assert len(late) <= 1, (job, late)
            assert max(pauses) < STEADY_INTERVAL + START_RECORD_TIMEOUT + SLACK, (job, late)

    def assert_history_is_true(self, since=0.0, jumps=()):
        """Assert that each execution is on record once, at the time and with the end it had.

        Of those that began before ``since`` (POSIX time), nothing is said. A job may
        have seen the clock before one of its ``jumps``, in seconds, and the runner after it.
        """
        records = defaultdict(list)
        for execution in self.executions():
            if execution.outcome == "interrupted" and execution.lateness is None:
                continue  # the runner stopped before the job began
            records[execution.runner.pid, execution.job.name].append(execution)
        visits = self.visits()
        if since:
            for key in visits:
                visits[key] = [visit for visit in visits[key] if visit.began >= since]
                records[key] = records[key][-len(visits[key]) :] if visits[key] else []
        told = {key: len(each) for key, each in visits.items()}
        recorded = {key: len(each) for key, each in records.items()}
        assert recorded == told
        for key, executions in records.items():
            for execution, visit in zip(executions, visits[key]):
                assert execution.finished_at is not None, execution
                began = execution.started_at.timestamp()
                duration = execution.duration.total_seconds()
                finished = execution.finished_at.timestamp()
                assert abs(began + duration - finished) < _CLOCK_TOLERANCE, execution
                seen = visit.ended_monotonic - visit.began_monotonic
                assert seen <= duration < seen + _VIEW_TOLERANCE, (execution, visit)
                assert any(
                    -_CLOCK_TOLERANCE <= visit.began + jump - began < _VIEW_TOLERANCE
                    for jump in (0, *jumps)
                ), (execution, visit)
                assert execution.outcome == (
                    "failed" if visit.job.endswith("_fails") else "succeeded"
                )

    def assert_all_is_there_that_was_said(self):
        """Assert that each execution of the talkative jobs has its own words, all and once."""
        numbered = [
            execution
            for execution in self.executions(job__name="shop.jobs.says_its_number")
            if execution.lateness is not None  # it began
        ]
        assert [(_said(each), each.note) for each in numbered] == [
            ([f"stdout printed {n}", f"INFO shop.mail logged {n}"], f"noted {n}")
            for n in range(len(numbered))
        ]
        (lasting,) = self.executions(job__name="shop.jobs.goes_on_and_on")
        lines = [f"stdout line {n}" for n in range(1, int(lasting.progress_done) + 1)]
        assert _said(lasting) == lines
        assert lasting.stack == ""


def _said(execution):
    """Return the lines of its log without their times, and with single spaces."""
    return [" ".join(line.split()[1:]) for line in execution.log.splitlines()]


def stop(*runners):
    """Stop runners, and see that it goes well."""
    for runner in runners:
        runner.send(signal.SIGTERM)
    for runner in runners:
        assert runner.wait() == 0, runner.output
