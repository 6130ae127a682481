"""Whether the runner is as fast and as small as it is meant to be.

    python -m benchmarks.runner [--aim 1 --aim 4] [--seconds 15]

Each aim is measured from outside on real ``run_jobs`` processes, with full history, and
printed as passed or fallen short. Ratios are of two measurements of the same run.

It needs what the tests need, with PostgreSQL (fsync on) and MariaDB on this machine, and
finds the servers as ``tests/settings.py`` says. Keep the machine otherwise quiet.
"""

import argparse
import statistics
import subprocess
import sys
import time

from benchmarks import marks
from benchmarks.databases import MariaDB, PostgreSQL, SQLite
from benchmarks.peer_sites import QuickJobs, QuickJobs04
from benchmarks.processes import exact_cpu_seconds, resident_bytes, wake_ups
from benchmarks.sites import Load, Site, unrecorded
from benchmarks.slow_link import SlowLink
from benchmarks.tables import Table


class Verdicts:
    """Prints for each thing measured whether it is as it is meant to be."""

    def __init__(self):
        self.short = 0
        self._table = Table("aim", "what", "measured", "meant to be", "")

    def at_most(self, aim, what, measured, bound, unit=""):
        self._judge(aim, what, measured, f"at most {_number(bound)}{unit}", measured <= bound, unit)

    def at_least(self, aim, what, measured, bound, unit=""):
        self._judge(
            aim, what, measured, f"at least {_number(bound)}{unit}", measured >= bound, unit
        )

    def note(self, aim, what, measured, unit=""):
        """Print something that has no bound of its own."""
        self._table.row(aim, what, f"{_number(measured)}{unit}", "", "")

    def _judge(self, aim, what, measured, meant, passes, unit):
        self.short += not passes
        verdict = "pass" if passes else "**falls short**"
        self._table.row(aim, what, f"{_number(measured)}{unit}", meant, verdict)


def _number(value):
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def aim_1(verdicts, seconds):
    """1000 jobs every second."""
    database = PostgreSQL()
    with Site(database, Load(1000)) as site:
        commits = database.commits()
        result = site.measure(max(seconds, 60))  # a drift is seen in the long run only
        executions = len(marks.starts(site.marks))
        commits = (database.commits() - commits) / executions
        wrong = unrecorded(site)
    what = "1000 jobs every 1 s: "
    verdicts.at_least(1, f"{what}done", 100 * result.done, 99.5, " %")
    verdicts.at_most(1, f"{what}executions not on record exactly once", wrong, 0)
    verdicts.at_most(
        1, f"{what}lateness p99 by marks", 1e3 * result.punctuality.lateness, 25, " ms"
    )
    verdicts.at_most(1, f"{what}CPU s per 1000", result.per_1000(result.cpu), 0.15)
    verdicts.at_most(1, f"{what}the server's", result.per_1000(result.server_cpu), 0.1)
    verdicts.at_most(1, f"{what}connections", result.connections, 1)
    verdicts.at_most(1, f"{what}threads", result.threads, 19)
    verdicts.at_most(1, f"{what}commits per execution", commits, 0.05)
    verdicts.at_most(1, f"{what}drift a period", 1e3 * abs(result.punctuality.drift), 0.05, " ms")


def aim_2(verdicts, seconds):
    """10,000 jobs every second, and where it ends."""
    for jobs in (10_000, 15_000, 20_000, 30_000):
        with Site(PostgreSQL(), Load(jobs)) as site:
            result = site.measure(seconds, warm_up=5.0)
            wrong = unrecorded(site)
        what = f"{jobs:,} jobs every 1 s: "
        if jobs == 10_000:
            verdicts.at_least(2, f"{what}done", 100 * result.done, 99.5, " %")
            verdicts.at_most(2, f"{what}cores used", result.cpu / result.seconds, 1.1)
            verdicts.at_most(2, f"{what}executions not on record exactly once", wrong, 0)
        else:
            verdicts.note(2, f"{what}done", 100 * result.done, " %")
            verdicts.note(2, f"{what}cores used", result.cpu / result.seconds)
        verdicts.note(2, f"{what}CPU s per 1000", result.per_1000(result.cpu))
        if result.done < 0.99:
            return


def aim_3(verdicts, seconds):
    """Few jobs, and more, at ease."""
    for load, cpu, lateness in ((Load(10, 0.1), 0.60, 5), (Load(100), 0.20, 10)):
        with Site(PostgreSQL(), load) as site:
            result = site.measure(seconds)
        what = f"{load.jobs} jobs every {load.interval:g} s: "
        verdicts.at_least(3, f"{what}done", 100 * result.done, 99.0, " %")
        verdicts.at_most(3, f"{what}CPU s per 1000", result.per_1000(result.cpu), cpu)
        verdicts.at_most(
            3, f"{what}lateness p99 by marks", 1e3 * result.punctuality.lateness, lateness, " ms"
        )


def aim_4(verdicts, seconds):
    """Jobs that rerun at once."""
    database = PostgreSQL()
    for chains, rate in ((8, 3000), (64, 6000)):
        with Site(database, Load(chains, rerun=True)) as site:
            commits = database.commits()
            result = site.measure(seconds)
            commits = database.commits() - commits
            executions = len(marks.starts(site.marks))
            wrong = unrecorded(site)
        what = f"{chains} jobs that rerun at once: "
        verdicts.at_least(4, f"{what}executions/s", result.rate, rate)
        verdicts.note(4, f"{what}executions a commit", executions / commits)
        verdicts.note(4, f"{what}CPU s per 1000", result.per_1000(result.cpu))
        verdicts.at_most(4, f"{what}executions not on record exactly once", wrong, 0)
    with Site(database, Load(1, rerun=True)) as site:
        before = commits_per_second(database)
        result = site.measure(seconds)
        after = commits_per_second(database)
    commits = (before + after) / 2
    verdicts.note(4, "one connection: commits/s of an INSERT each into the same table", commits)
    verdicts.note(4, "one job that reruns at once: executions/s", result.rate)
    verdicts.at_least(
        4, "the same, of one connection's commits", 100 * result.rate / commits, 80, " %"
    )
    with Site(database, Load(8, rerun=True), QUICK_JOBS_START_RECORD_TIMEOUT=0) as site:
        result = site.measure(seconds)
    what = "8 jobs that rerun and do not wait for their record: "
    verdicts.at_least(4, f"{what}executions/s", result.rate, 10_000)


def commits_per_second(database, seconds=3.0):
    """Return how many executions one connection inserts, each in a transaction of its own."""
    with database.connect() as connection:
        for statement in INSERT_PROBE:
            connection.execute(statement)
        ids = connection.execute(RUNNER_AND_JOB).fetchone()
        number, deadline = 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            number += 1
            connection.execute(INSERT, (*ids, number))
        return number / seconds


INSERT_PROBE = (
    "INSERT INTO quick_jobs_job (name, \"interval\", variance) VALUES ('probe', '1 s', '0 s')"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO quick_jobs_jobrunner (key, hostname, pid, started_at, last_heartbeat_at,"
    " stop_reason, stop_detail, dropped_executions)"
    " VALUES (gen_random_uuid(), 'probe', 1, now(), now(), '', '', 0)",
)
RUNNER_AND_JOB = (
    "SELECT max(runner.id), min(job.id) FROM quick_jobs_jobrunner runner, quick_jobs_job job"
)
INSERT = (
    "INSERT INTO quick_jobs_jobexecution"
    " (runner_id, job_id, number, started_at, outcome, error, traceback)"
    " VALUES (%s, %s, %s, now(), 'running', '', '')"
)


def aim_5(verdicts, seconds):
    """The other databases."""
    with Site(SQLite(), Load(1000)) as site:
        result = site.measure(seconds)
        wrong, log = unrecorded(site), site.log()
    what = "SQLite, 1000 jobs every 1 s: "
    verdicts.at_least(5, f"{what}done", 100 * result.done, 99.5, " %")
    verdicts.at_most(5, f"{what}executions not on record exactly once", wrong, 0)
    verdicts.at_most(5, f"{what}lines logged at WARNING", log.count("\n"), 0)
    verdicts.note(5, f"{what}lateness p99 by marks", 1e3 * result.punctuality.lateness, " ms")
    verdicts.note(5, f"{what}CPU s per 1000", result.per_1000(result.cpu))
    with Site(SQLite(), Load(8, rerun=True)) as site:
        result = site.measure(seconds)
        log = site.log()
    what = "SQLite, 8 jobs that rerun at once: "
    verdicts.at_least(5, f"{what}executions/s", result.rate, 3000)
    verdicts.at_most(5, f"{what}lines logged at WARNING", log.count("\n"), 0)
    for load in (Load(1000), Load(8, rerun=True)):
        results = {}
        for database in (PostgreSQL(), MariaDB()):
            with Site(database, load) as site:
                results[database.kind] = site.measure(seconds)
                wrong = unrecorded(site)
        ours, theirs = results["mariadb"], results["postgresql"]
        if load.rerun:
            what = "MariaDB, 8 jobs that rerun at once: "
            verdicts.note(5, f"{what}executions/s", ours.rate)
            verdicts.at_most(5, f"{what}times slower than PostgreSQL", theirs.rate / ours.rate, 1.5)
        else:
            what = "MariaDB, 1000 jobs every 1 s: "
            verdicts.at_least(5, f"{what}done", 100 * ours.done, 99.5, " %")
            verdicts.at_most(5, f"{what}executions not on record exactly once", wrong, 0)
            ratio = ours.per_1000(ours.cpu) / theirs.per_1000(theirs.cpu)
            verdicts.at_most(5, f"{what}CPU to that with PostgreSQL", ratio, 1.5, " times")
            lateness = 1e3 * ours.punctuality.lateness
            verdicts.note(5, f"{what}lateness p99 by marks", lateness, " ms")


def aim_6(verdicts, seconds):
    """The connections of jobs that use the database."""
    database = PostgreSQL()
    database.settings["CONN_MAX_AGE"] = 60
    for load in (Load(100, query=True), Load(30, query=True, sleep=0.2)):
        with Site(database, load) as site:
            result = site.measure(seconds, warm_up=0)
            at_once = marks.most_at_once(marks.starts(site.marks), marks.ends(site.marks))
        what = f"{load.jobs} jobs with a query, {load.sleep:g} s long, CONN_MAX_AGE = 60: "
        verdicts.note(6, f"{what}ran at the same time", at_once)
        verdicts.at_most(6, f"{what}connections for jobs", result.connections - 1, at_once)
    database.settings["CONN_MAX_AGE"] = 0
    with Site(database, Load(100, query=True)) as site, site.running() as processes:
        left = []
        for _ in range(int(seconds / 0.1)):
            time.sleep(0.1)
            ends = marks.ends(site.marks)
            if ends and time.monotonic() > ends[-1].at + 0.4:
                connections = database.connections(processes.pids()) - 1
                if len(marks.starts(site.marks)) == len(ends):  # none has begun meanwhile
                    left.append(connections)
    what = "the same, CONN_MAX_AGE = 0: connections 0.4 s after the last execution"
    verdicts.at_most(6, what, max(left), 0)


def aim_7(verdicts, seconds):
    """What it costs when there is nothing to do, and what logging costs."""
    database = PostgreSQL()
    with Site(database, Load(10, interval=3600)) as site, site.running() as processes:
        time.sleep(20)  # by now idle threads have gone, and the server has counted all statements
        pids = processes.pids()
        commits, cpu, woken = database.commits(), exact_cpu_seconds(pids), [wake_ups(pids)]
        for _ in range(36):  # seconds, with two heartbeats
            time.sleep(1)
            woken.append(wake_ups(pids))
        cpu = exact_cpu_seconds(pids) - cpu
        commits = database.commits() - commits
    active = sum(a != b for a, b in zip(woken, woken[1:]))
    what = "10 jobs every hour, 36 s with 2 heartbeats: "
    verdicts.at_most(7, f"{what}seconds in which it woke up", active, 2)
    verdicts.note(7, f"{what}waits of all threads", woken[-1] - woken[0])
    verdicts.at_most(7, f"{what}statements", commits, 4)
    verdicts.at_most(7, f"{what}CPU", 1e3 * cpu / 36, 0.3, " ms/s")
    costs = {}
    for level in ("WARNING", "INFO"):
        with Site(database, Load(1000), log_level=level) as site:
            result = site.measure(seconds)
            costs[level] = result.per_1000(result.cpu)
            lines = site.log().count("\n")
    what = "1000 jobs every 1 s, logged to a file: "
    verdicts.at_least(7, f"{what}lines at INFO", lines, len(result.starts))
    ratio = costs["INFO"] / costs["WARNING"]
    verdicts.at_most(7, f"{what}CPU at INFO to that at WARNING", ratio, 1.5, " times")


BARE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from django.db import connection
connection.cursor().execute("SELECT 1")
print(next(int(line.split()[1]) for line in open("/proc/self/status") if "VmRSS" in line))
"""


def aim_8(verdicts, seconds):
    """Memory and start-up."""
    database = PostgreSQL()
    sizes = {}
    for jobs in (10, 5010):
        with Site(database, Load(jobs, interval=3600)) as site:
            sizes[jobs] = statistics.median(settled_memory(site) for _ in range(3))
            if jobs == 10:
                bare = statistics.median(bare_memory(site) for _ in range(5))
    verdicts.note(8, "bare django.setup() with a query", bare / 2**20, " MB")
    verdicts.at_most(8, "10 jobs: memory over that", (sizes[10] - bare) / 2**20, 6, " MB")
    verdicts.at_most(8, "each further job", (sizes[5010] - sizes[10]) / 5000 / 1024, 1.5, " KB")
    ours, theirs = startups(database)
    verdicts.note(8, "start-up to the first job's first line", 1e3 * ours, " ms")
    verdicts.note(8, "the same of django-quick-jobs 0.4 with a query", 1e3 * theirs, " ms")
    verdicts.at_most(8, "start-up to that of django-quick-jobs 0.4", ours / theirs, 1.15, " times")


def bare_memory(site):
    """Return the memory of a process that has set up Django and asked the database something."""
    output = subprocess.check_output(
        [site.python, "-c", BARE], cwd=str(site.path), env=site.environment
    )
    return 1024 * int(output)


def settled_memory(site):
    """Return the memory of the runner when its jobs have run once, and idle threads have gone."""
    with site.running() as processes:
        time.sleep(12)
        return resident_bytes(processes.pids())


def startups(database, times=9):
    """Return the seconds until a job's first line, here and with django-quick-jobs 0.4.

    There, a query counts too, as there would have to be one to keep a history.
    """
    load = Load(10, interval=3600)
    ours, theirs = [], []
    with QuickJobs(database, load) as new, QuickJobs04(database, load._replace(query=True)) as old:
        new.manage("migrate", "--verbosity=0")  # the other has made the database anew
        for _ in range(times):
            for site, seconds, mark in ((new, ours, marks.starts), (old, theirs, marks.ends)):
                with site.running() as processes:
                    time.sleep(0.3)
                    seconds.append(mark(site.marks)[0].at - processes.began)
    return statistics.median(ours[1:]), statistics.median(theirs[1:])


def aim_9(verdicts, seconds):
    """A database that is far away."""
    near = PostgreSQL()
    link = SlowLink(near.port, 0.025)
    far = PostgreSQL()
    far.settings["PORT"] = str(link.port)
    for load in (Load(10), Load(100)):
        with Site(far, load) as site:
            trip = round_trip(link)
            result = site.measure(seconds)
            lateness = marks.percentile(recorded_lateness(site), 0.99)
        what = f"{load.jobs} jobs every 1 s, round trip of {1e3 * trip:.1f} ms: "
        verdicts.at_least(9, f"{what}done", 100 * result.done, 99.0, " %")
        verdicts.at_most(9, f"{what}lateness p99 on record", lateness / trip, 1.5, " round trips")
    link.close()


def round_trip(link):
    """Return the seconds that an answer takes."""
    with PostgreSQL(link.port).connect() as connection:
        times = []
        for _ in range(20):
            began = time.monotonic()
            connection.execute("SELECT 1")
            times.append(time.monotonic() - began)
    return statistics.median(times)


def recorded_lateness(site):
    """Return the lateness, in seconds, of each execution but the first of each job."""
    jobs = site.load.jobs
    return [
        lateness
        for (lateness,) in site.database.query(
            "SELECT extract(epoch from lateness)::float8 FROM quick_jobs_jobexecution"
            f" WHERE number > {jobs} AND outcome = 'succeeded'"
        )
    ]


AIMS = dict(enumerate((aim_1, aim_2, aim_3, aim_4, aim_5, aim_6, aim_7, aim_8, aim_9), start=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aim", type=int, action="append", choices=AIMS)
    parser.add_argument(
        "--seconds", type=float, default=15, help="how long each setting is measured"
    )
    options = parser.parse_args()
    verdicts = Verdicts()
    for aim in options.aim or AIMS:
        AIMS[aim](verdicts, options.seconds)
    sys.exit(1 if verdicts.short else 0)


if __name__ == "__main__":
    main()
