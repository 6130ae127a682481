"""Virtual environments for what is compared, each made when it is first needed."""

import subprocess
import sys
import tempfile
from pathlib import Path

#: What is compared, and what each needs: all with the same Django and the same driver.
_COMMON = ("Django==5.2.*", "psycopg[binary]")
_REQUIREMENTS = {
    "quick_jobs": ("django-admin-list-filter-dropdown",),
    "quick_jobs_0.4": ("django-quick-jobs==0.4.0",),
    "apscheduler": ("APScheduler<4", "django-apscheduler==0.7.0"),
    "quick_jobs_celery": ("celery[redis]", "django-admin-list-filter-dropdown"),
    "celery": ("celery[redis]", "django-celery-results"),
}


def python_with(name):
    """Return the path of an interpreter that has what ``name`` needs."""
    path = Path(tempfile.gettempdir(), "quick_jobs_benchmark_environments", name)
    python = path / "bin" / "python"
    done = path / "complete"
    if not done.exists():
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(path)])
        subprocess.check_call(
            [str(python), "-m", "pip", "install", "--quiet", *_COMMON, *_REQUIREMENTS[name]]
        )
        done.touch()
    return str(python)


def versions(name):
    """Return what is installed there, as ``name==version``."""
    output = subprocess.check_output([python_with(name), "-m", "pip", "freeze"])
    return output.decode().split()
