"""The same work, done by this project and by others."""

import subprocess
from urllib.parse import urlsplit

from benchmarks.environments import python_with
from benchmarks.sites import JOBS, Site

REDIS = "redis://127.0.0.1:6379/9"


class QuickJobs(Site):
    """This project, as it is in this checkout."""

    title = "this project"
    environment_name = "quick_jobs"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.python = python_with(self.environment_name)


class Peer(QuickJobs):
    """Another project, which this checkout must not be in the way of."""

    def python_path(self):
        return ""


class QuickJobs04(Peer):
    """django-quick-jobs 0.4, which keeps no history, with its log at WARNING."""

    title = "django-quick-jobs 0.4"
    environment_name = "quick_jobs_0.4"
    apps = ("job_runner",)
    history = None
    files = {
        "shop/jobs.py": (
            "import logging, structlog\n"
            "structlog.configure("
            "wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))\n"
            + JOBS.format(package="job_runner.registration")
        )
    }


class APScheduler(Peer):
    """APScheduler 3 with the history of django-apscheduler, and its jobs in memory.

    Each job has its row made beforehand, without which no history would be kept. What reruns at
    once has the shortest interval that there is: 0 would be a second.
    """

    title = "django-apscheduler (jobs in memory)"
    environment_name = "apscheduler"
    apps = ("django_apscheduler",)
    history = "SELECT count(*) FROM django_apscheduler_djangojobexecution WHERE status = 'Executed'"
    commands = (("manage.py", "run_apscheduler"),)
    files = {
        "shop/tasks.py": "from marks import mark\n\ndef run(number):\n    mark(number)\n",
        "shop/management/__init__.py": "",
        "shop/management/commands/__init__.py": "",
        "shop/management/commands/run_apscheduler.py": """
import datetime
from apscheduler.schedulers.blocking import BlockingScheduler
from django.conf import settings
from django.core.management.base import BaseCommand
from django_apscheduler.jobstores import DjangoMemoryJobStore
from shop.tasks import run

class Command(BaseCommand):
    def handle(self, *args, **options):
        load = settings.OPTIONS
        rerun = {"misfire_grace_time": None, "coalesce": True} if load["rerun"] else {}
        scheduler = BlockingScheduler(timezone="UTC")
        scheduler.add_jobstore(DjangoMemoryJobStore(), "default")
        for number in range(1, load["jobs"] + 1):
            scheduler.add_job(
                run,
                "interval",
                seconds=0.001 if load["rerun"] else load["interval"],
                args=[number],
                id=f"job_{number}",
                max_instances=1,
                next_run_time=datetime.datetime.now(datetime.timezone.utc),
                **rerun,
            )
        scheduler.start()
""",
    }

    def prepare(self):
        self.manage(
            "shell",
            "-c",
            "from django_apscheduler.models import DjangoJob\n"
            f"for number in range(1, {self.load.jobs + 1}):\n"
            "    DjangoJob.objects.create(id=f'job_{number}', job_state=b'')",
        )


class Celery(Peer):
    """Celery with beat, Redis, and django-celery-results; as many workers as processors."""

    title = "celery with beat and django-celery-results"
    environment_name = "celery"
    apps = ("django_celery_results",)
    history = "SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"
    files = {
        "project.py": """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from celery import Celery
from django.conf import settings

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
load = settings.OPTIONS
if not load["rerun"]:
    app.conf.beat_schedule = {
        f"job_{number}": {
            "task": "shop.tasks.run", "schedule": load["interval"], "args": [number]
        }
        for number in range(1, load["jobs"] + 1)
    }
""",
        "shop/__init__.py": "from project import app\n",
        "shop/tasks.py": """
from celery import shared_task
from django.conf import settings
from marks import mark

@shared_task
def run(number):
    mark(number)
    if settings.OPTIONS["rerun"]:
        run.delay(number)
""",
    }

    def __init__(self, database, load, **settings):
        super().__init__(
            database,
            load,
            CELERY_BROKER_URL=REDIS,
            CELERY_RESULT_BACKEND="django-db",
            CELERY_RESULT_EXTENDED=True,
            CELERY_TASK_TRACK_STARTED=True,
            **settings,
        )
        self.commands = commands_of_celery(load)

    def prepare(self):
        flush_redis()
        if self.load.rerun:
            self.manage(
                "shell",
                "-c",
                "from shop.tasks import run\n"
                f"for number in range(1, {self.load.jobs + 1}): run.delay(number)",
            )

    def __exit__(self, *exc_info):
        super().__exit__(*exc_info)
        flush_redis()


class QuickJobsOnCelery(QuickJobs):
    """The same jobs as this project's, on Celery with beat and Redis, which has the locks too."""

    title = "this project on celery with beat"
    environment_name = "quick_jobs_celery"
    files = {
        **QuickJobs.files,
        "project.py": """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from celery import Celery
from quick_jobs.contrib.celery import install

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
install(app)
""",
        "shop/__init__.py": "from project import app\n",
    }

    def __init__(self, database, load, **settings):
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS}
        super().__init__(
            database, load, CELERY_BROKER_URL=REDIS, CACHES={"default": cache}, **settings
        )
        self.commands = commands_of_celery(load)

    def prepare(self):
        flush_redis()
        if self.load.rerun:
            self.manage(
                "shell",
                "-c",
                "from project import app\n"
                f"for number in range(1, {self.load.jobs + 1}):\n"
                "    app.send_task(f'shop.jobs.job_{number}')",
            )

    def __exit__(self, *exc_info):
        super().__exit__(*exc_info)
        flush_redis()


def commands_of_celery(load):
    """Return what runs a worker and, unless tasks send themselves again, beat."""
    worker = ("-m", "celery", "-A", "project", "worker", "-l", "WARNING")
    beat = ("-m", "celery", "-A", "project", "beat", "-l", "WARNING", "--pidfile=")
    return (worker,) if load.rerun else (worker, beat)


def flush_redis():
    """Empty the benchmarks' own database in Redis."""
    where = urlsplit(REDIS)
    subprocess.check_call(
        ["redis-cli", "-h", where.hostname, "-p", str(where.port), "-n", where.path[1:], "FLUSHDB"],
        stdout=subprocess.DEVNULL,
    )


PEERS = (QuickJobs, QuickJobs04, APScheduler, Celery, QuickJobsOnCelery)
