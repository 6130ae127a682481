"""A project whose jobs run on Celery, and what its workers put on record."""

import sys

from quick_jobs.models import JobExecution, JobRunner
from tests.site import WARNINGS, Site

CELERY = """
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")

from celery import Celery

from quick_jobs.contrib.celery import install

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
install(app)
"""

#: What a test's jobs begin with. A line is one write, so the lines of many processes do not mix.
PREAMBLE = """
import logging
import os
import signal
import sys
import time

from quick_jobs import at, register_job

_told = os.path.join(os.path.dirname(__file__), "..", "told")

def tell(text):
    with open(_told, "a") as file:
        file.write(text + "\\n")

def times_told():
    with open(_told) as file:
        return len(file.readlines())
"""

#: Seconds.
HEARTBEAT_INTERVAL, LOST_AFTER = 0.5, 4


class CelerySite(Site):
    """The site of a test, with a broker and with Redis for its cache."""

    def __init__(self, path, database_name, broker, cache):
        super().__init__(path, database_name)
        self.write("project.py", CELERY)
        self.write("shop/apps.py", "")
        self.settings(f"""
            CELERY_BROKER_URL = {broker.url()!r}
            CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
            CELERY_BROKER_TRANSPORT_OPTIONS = {{"visibility_timeout": 3600}}
            CACHES = {{
                "default": {{
                    "BACKEND": "django.core.cache.backends.redis.RedisCache",
                    "LOCATION": {cache.url(1)!r},
                }}
            }}
            QUICK_JOBS_HEARTBEAT_INTERVAL = {HEARTBEAT_INTERVAL}
            QUICK_JOBS_LOST_AFTER = {LOST_AFTER}
        """)

    def jobs(self, text):
        """Write the jobs of the shop."""
        self.write("shop/jobs.py", PREAMBLE)
        with (self.path / "shop" / "jobs.py").open("a", encoding="utf-8") as file:
            import textwrap

            file.write(textwrap.dedent(text))

    def worker(self, *args, pool="prefork", concurrency=2):
        """Start a worker, and wait until it is ready."""
        process = self.start(
            "worker",
            "-P",
            pool,
            "-c",
            concurrency,
            "-l",
            "info",
            "-n",
            f"w{len(self._processes)}@%h",
            *args,
        )
        process.wait_for_output(" ready.", 60)
        return process

    def beat(self):
        """Start beat."""
        process = self.start("beat", "-l", "info", "-s", self.path / "beat")
        process.wait_for_output("Starting...", 60)
        return process

    def send(self, job, **options):
        """Send the task of a job, as somebody's code may do."""
        import celery

        app = celery.Celery(broker=self.broker_url, set_as_current=False)
        with app.connection_for_write() as connection:
            app.send_task(f"shop.jobs.{job}", connection=connection, **options)
        app.close()

    @property
    def broker_url(self):
        names = {}
        exec(compile((self.path / "site_settings.py").read_text(), "settings", "exec"), names)
        return names["CELERY_BROKER_URL"]

    def told(self):
        """Return the lines that jobs have told."""
        path = self.path / "told"
        return path.read_text().splitlines() if path.exists() else []

    def command(self, *args):
        if args and args[0] in ("worker", "beat"):
            return [sys.executable, "-m", "celery", "-A", "project", *map(str, args)]
        return super().command(*args)

    def environment(self, more=None):
        # Celery's own, and kombu's, are not the site's.
        quiet = {"PYTHONWARNINGS": ",".join(["default", *WARNINGS[1:]])}
        return super().environment({**quiet, **(more or {})})


def executions(job=None, **conditions):
    """Return the executions on record, the oldest first."""
    found = JobExecution.objects.filter(**conditions).order_by("started_at", "pk")
    return list(found if job is None else found.filter(job__name=f"shop.jobs.{job}"))


def outcomes(job=None):
    """Return the outcomes of the executions on record, in order."""
    return [execution.outcome for execution in executions(job)]


def runners():
    """Return the workers on record."""
    return list(JobRunner.objects.filter(kind=JobRunner.CELERY).order_by("pk"))
