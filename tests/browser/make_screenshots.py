"""Makes the documents' pictures of the admin, in ``docs/screenshots``:

    pytest -m browser tests/browser/make_screenshots.py

With ``QUICK_JOBS_SCREENSHOTS`` it makes them in the folder that this names, and more of them.
"""

import io
import os
from pathlib import Path

import pytest
from django.db.models import F
from PIL import Image

from quick_jobs.models import Job, JobExecution, JobRunner

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parent.parent.parent
ELSEWHERE = os.environ.get("QUICK_JOBS_SCREENSHOTS")
PLACE = Path(ELSEWHERE) if ELSEWHERE else ROOT / "docs" / "screenshots"
DARK = {"color_scheme": "dark"}
PHONE = {"width": 390, "height": 844, "device_scale_factor": 2}

PICTURES = {
    "jobs": ("job/", {}),
    "jobs-phone": ("job/", PHONE),
    "executions": ("jobexecution/?outcome__exact=went_wrong&since=24h", {}),
    "execution": ("jobexecution/{failed}/change/", {"height": 1220}),
    "runners": ("jobrunner/", {}),
    "timeline": ("jobexecution/timeline/?span=6h", {}),
    "timeline-dark": ("jobexecution/timeline/?span=24h", DARK),
}
MORE_PICTURES = {
    "jobs-dark": ("job/", DARK),
    "jobs-german": ("job/", {"locale": "de-DE"}),
    "jobs-arabic": ("job/", {"locale": "ar"}),
    "job": ("job/{job}/change/", {}),
    "executions-dark": ("jobexecution/", DARK),
    "executions-phone": ("jobexecution/", PHONE),
    "executions-arabic": ("jobexecution/", {"locale": "ar"}),
    "execution-running": ("jobexecution/{running}/change/", {}),
    "execution-running-dark": ("jobexecution/{running}/change/", DARK),
    "execution-running-phone": ("jobexecution/{running}/change/", PHONE),
    "executions-failed-dark": ("jobexecution/?outcome__exact=went_wrong", DARK),
    "executions-failed-phone": ("jobexecution/?outcome__exact=went_wrong", PHONE),
    "executions-failed-german": (
        "jobexecution/?outcome__exact=went_wrong",
        {"locale": "de-DE"},
    ),
    "job-dark": ("job/{job}/change/", DARK),
    "job-phone": ("job/{job}/change/", PHONE),
    "execution-dark": ("jobexecution/{failed}/change/", DARK),
    "execution-phone": ("jobexecution/{failed}/change/", PHONE),
    "execution-arabic": ("jobexecution/{failed}/change/", {"locale": "ar"}),
    "execution-lost": ("jobexecution/{lost}/change/", {}),
    "execution-lost-german": ("jobexecution/{lost}/change/", {"locale": "de-DE"}),
    "execution-lost-phone": ("jobexecution/{lost}/change/", PHONE),
    "runners-german": ("jobrunner/", {"locale": "de-DE"}),
    "timeline-german": ("jobexecution/timeline/?span=24h", {"locale": "de-DE"}),
    "runners-dark": ("jobrunner/", DARK),
    "runners-phone": ("jobrunner/", PHONE),
    "runner": ("jobrunner/{runner}/change/", {}),
    "timeline-phone": ("jobexecution/timeline/?span=6h", PHONE),
    "timeline-arabic": ("jobexecution/timeline/?span=6h", {"locale": "ar"}),
}
if ELSEWHERE:
    PICTURES.update(MORE_PICTURES)

#: Of a site that has moved to Celery.
CELERY_PICTURES = {
    "celery": ("jobrunner/", {"height": 540}),
    "celery-jobs": ("job/", {}),
    "celery-execution": ("jobexecution/{failed}/change/", {}),
    "celery-timeline": ("jobexecution/timeline/?span=1h", {"height": 800}),
}
if not ELSEWHERE:
    del CELERY_PICTURES["celery-jobs"], CELERY_PICTURES["celery-execution"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_screenshot_is_made(open_page, name):
    address, options = PICTURES[name]
    take(open_page(address_of(address), **options), name)


@pytest.fixture
def workers(shop):
    """Two workers of Celery that have all the jobs: the site has moved to them lately."""
    workers = list(JobRunner.objects.alive())
    jobs = {job for worker in workers for job in worker.jobs.all()}
    for worker in workers:
        worker.jobs.set(jobs)
    JobRunner.objects.alive().update(kind=JobRunner.CELERY)
    JobExecution.objects.lost().delete()
    JobRunner.objects.lost().update(
        stopped_at=F("last_heartbeat_at"), stop_reason=JobRunner.SIGNAL, stop_detail="SIGTERM"
    )
    executions = list(JobExecution.objects.filter(runner__in=workers).order_by("started_at"))
    for index, execution in enumerate(executions):
        execution.runner = workers[index % len(workers)]
        execution.number = len(executions) + index
    JobExecution.objects.bulk_update(executions, ["runner", "number"], batch_size=200)


@pytest.mark.parametrize("name", CELERY_PICTURES)
def test_a_screenshot_is_made_of_a_site_that_has_moved(workers, open_page, name):
    address, options = CELERY_PICTURES[name]
    take(open_page(address_of(address), **options), name)


def address_of(pattern):
    """Return the address of a page, with the keys of the rows that it is about."""
    failed = JobExecution.objects.filter(outcome="failed", error__startswith="Supplier")
    return pattern.format(
        running=JobExecution.objects.running().order_by("started_at")[0].pk,
        lost=getattr(JobExecution.objects.lost().order_by("-started_at").first(), "pk", None),
        failed=failed.order_by("-started_at")[1].pk,
        job=Job.objects.get(name="shop.jobs.ask_the_supplier").pk,
        runner=JobRunner.objects.order_by("-pk")[1].pk,
    )


def take(page, name):
    """Save what ``page`` shows."""
    PLACE.mkdir(parents=True, exist_ok=True)
    # 256 colours take a third of the bytes.
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(str(PLACE / f"{name}.png"), optimize=True)
