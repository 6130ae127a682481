"""A small Django site whose jobs leave marks, run by real processes and measured from outside."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import List, NamedTuple

from benchmarks import marks
from benchmarks.processes import (
    Processes,
    cpu_seconds,
    resident_bytes,
    threads,
)

_CHECKOUT = Path(__file__).resolve().parent.parent
_START_TIMEOUT = 90
_SAMPLE = 0.5

SETTINGS = """
import json, os
OPTIONS = json.loads(os.environ["BENCHMARK_OPTIONS"])
SECRET_KEY = "of the benchmarks"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", *OPTIONS["apps"], "shop"]
DATABASES = {"default": OPTIONS["database"]}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"file": {
        "class": "logging.FileHandler", "filename": "site.log", "formatter": "plain",
    }},
    "root": {"handlers": ["file"], "level": OPTIONS["log_level"]},
}
globals().update(OPTIONS["settings"])
"""

MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

#: Jobs for this project, and by its alias for django-quick-jobs 0.4.
JOBS = """
import time
from django.conf import settings
from django.db import connection
from {package} import register_job
from marks import mark

options = settings.OPTIONS

def make(number):
    def run(env):
        mark(number)
        if options["query"]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            time.sleep(options["sleep"])
            mark(-number)
        if options["rerun"]:
            env.request_rerun()

    run.__name__ = run.__qualname__ = f"job_{{number}}"
    return register_job(options["interval"])(run)

globals().update((f"job_{{number}}", make(number)) for number in range(1, options["jobs"] + 1))
"""


class Load(NamedTuple):
    """The jobs: how many, how often in seconds, and what each does after leaving its mark.

    With ``query`` it asks the database something, sleeps for ``sleep`` seconds, and marks its
    end. With ``rerun`` it asks to be run again at once.
    """

    jobs: int
    interval: float = 1.0
    rerun: bool = False
    query: bool = False
    sleep: float = 0.0


class Result(NamedTuple):
    """What was measured, while it ran steadily for ``seconds``.

    ``cpu`` and ``server_cpu`` are seconds, ``memory`` is bytes; ``memory``, ``threads`` and
    ``connections`` are the most that were seen.
    """

    load: Load
    seconds: float
    starts: List[marks.Mark]
    ends: List[marks.Mark]
    cpu: float
    server_cpu: float
    memory: int
    threads: int
    connections: int
    startup: float

    @property
    def done(self):
        """Return the share of the whole rounds in the time that the jobs have made."""
        rounds = int(self.seconds / self.load.interval)
        times = Counter(mark.job for mark in self.starts)
        return sum(min(rounds, each) for each in times.values()) / (rounds * self.load.jobs)

    @property
    def rate(self):
        return len(self.starts) / self.seconds

    def per_1000(self, amount):
        return 1000 * amount / max(1, len(self.starts))

    @property
    def punctuality(self):
        return marks.punctuality(self.starts, self.load.interval)


class Site:
    """A site in a directory of its own, with a fresh database; a context manager."""

    apps = ("quick_jobs",)
    #: What counts the executions in the history that have ended.
    history = "SELECT count(finished_at) FROM quick_jobs_jobexecution"
    python = sys.executable
    files = {"shop/jobs.py": JOBS.format(package="quick_jobs")}
    commands = (("manage.py", "run_jobs"),)

    def __init__(self, database, load, log_level="WARNING", **settings):
        self.load = load
        self.database = database
        self.path = Path(tempfile.mkdtemp(prefix="quick_jobs_benchmark_"))
        self.marks = self.path / "marks"
        options = {
            **load._asdict(),
            "apps": self.apps,
            "database": database.settings,
            "log_level": log_level,
            "settings": settings,
        }
        self.environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            "BENCHMARK_OPTIONS": json.dumps(options),
            "BENCHMARK_MARKS": str(self.marks),
            "PYTHONPATH": self.python_path(),
        }

    def python_path(self):
        return str(_CHECKOUT)

    def __enter__(self):
        files = {
            "settings.py": SETTINGS,
            "manage.py": MANAGE,
            "marks.py": marks.CODE,
            "shop/__init__.py": "",
        }
        for name, text in {**files, **self.files}.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.database.create()
        self.manage("migrate", "--verbosity=0")
        self.prepare()
        return self

    def prepare(self):
        """Do what has to be done between ``migrate`` and the start."""

    def __exit__(self, *exc_info):
        self.database.drop()
        shutil.rmtree(str(self.path))

    def manage(self, *arguments):
        """Run a command of ``manage.py``, and return what it prints."""
        done = subprocess.run(
            [self.python, "manage.py", *arguments],
            cwd=str(self.path),
            env=self.environment,
            capture_output=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-2000:])
        return done.stdout.decode()

    @contextlib.contextmanager
    def running(self):
        """Start the processes, wait for the first mark, and end them cleanly afterwards."""
        with contextlib.suppress(FileNotFoundError):
            self.marks.unlink()
        processes = Processes(
            [[self.python, *command] for command in self.commands], self.path, self.environment
        )
        try:
            deadline = processes.began + _START_TIMEOUT
            while not (self.marks.exists() and self.marks.stat().st_size >= marks.SIZE):
                processes.check()
                if time.monotonic() > deadline:
                    raise RuntimeError("no job has run")
                time.sleep(0.01)
            yield processes
            processes.check()
            processes.stop()
        finally:
            processes.kill()

    def measure(self, seconds, warm_up=3.0):
        """Run it, and return the :class:`Result` of ``seconds`` after a ``warm_up``."""
        with self.running() as processes:
            time.sleep(warm_up)
            sampled = []
            begin, cpu, server = self._snapshot(processes)
            while time.monotonic() < begin + seconds:
                pids = processes.pids()
                sampled.append(
                    (resident_bytes(pids), threads(pids), self.database.connections(pids))
                )
                time.sleep(_SAMPLE)
            end, cpu_after, server_after = self._snapshot(processes)
            startup = marks.starts(self.marks)[0].at - processes.began
        return Result(
            self.load,
            end - begin,
            marks.starts(self.marks, begin, end),
            marks.ends(self.marks, begin, end),
            cpu_after - cpu,
            server_after - server,
            *map(max, zip(*sampled)),
            startup,
        )

    def _snapshot(self, processes):
        return (
            time.monotonic(),
            cpu_seconds(processes.pids()),
            self.database.cpu_seconds(),
        )

    def kept_history(self):
        """Return which share of the executions is in the history, or None if there is none."""
        if not self.history:
            return None
        ((rows,),) = self.database.query(self.history)
        return rows / len(marks.starts(self.marks))

    def log(self):
        """Return what was logged."""
        path = self.path / "site.log"
        return path.read_text() if path.exists() else ""


def unrecorded(site):
    """Return how many executions differ between the marks that were left and the history."""
    ((succeeded, running),) = site.database.query(
        "SELECT count(CASE WHEN outcome = 'succeeded' THEN 1 END),"
        " count(CASE WHEN outcome = 'running' THEN 1 END) FROM quick_jobs_jobexecution"
    )
    return abs(succeeded - len(marks.starts(site.marks))) + running
