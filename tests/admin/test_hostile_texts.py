"""No text in a row becomes a tag or an attribute of a page."""

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.db import connection, models
from django.utils import timezone

import quick_jobs
from quick_jobs.admin.badges import EXECUTION_STATES, RUNNER_STATES
from quick_jobs.health import STATES
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.admin_pages import address, make_executions, make_job, make_runner, page

#: Those of a kind are one text, so that each page is needed once for them.
TEXTS = {
    "tags": (
        '"></svg><script>alert(1)</script>'
        "`><img src=x onerror=alert(1)>"
        "'\" onmouseover='alert(1)' hostile=\"1"
        "</title></pre></textarea></select><hostile>"
    ),
    "templates and controls": (
        "{{ hostile }}{% load hostile %}&lt;hostile&gt;&#60;hostile&#62;"
        "\x01\x07\x1b[31m\x7f\x85\u2028<hostile>"
        "\u202e\u2066<hostile>\u2069 שלום"
    ),
    "long": "<hostile>" * 1000,
}

SAID = {"traceback": "boom", "note": "14 sent", "log": "sent", "fingerprint": "ValueError here"}

#: The classes that say how something is: all that a page may have anew.
KNOWN = {"qj-unknown", *(f"qj-{state}" for state, _text in (*EXECUTION_STATES, *RUNNER_STATES))}
KNOWN |= {f"qj-{state}" for state, _name in STATES}  # of jobs


class Structure(HTMLParser):
    """The tags of a page, each with its attributes' names, and its classes."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.classes = set(), set()
        # What is escaped begins no tag, and a parser takes long to put it together.
        self.feed(re.sub("&(?:amp|lt|gt|quot|#x27|#39);", "-", html))

    def handle_starttag(self, tag, attrs):
        self.tags.update((tag, name) for name, _value in attrs)
        self.tags.add((tag, ""))
        for name, value in attrs:
            if name == "class":
                self.classes.update(value.split())


def text_columns(model):
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, (models.CharField, models.TextField))
    ]


def write_everywhere(text, but=()):
    """Write ``text`` into every text column of every row, as far as it fits the database.

    Columns with a name in ``but`` are left as they are.
    """
    for model in (Job, JobRunner, JobExecution):
        for field in (one for one in text_columns(model) if one.name not in but):
            fits = text
            if connection.vendor != "sqlite" and field.max_length:
                fits = text[: field.max_length - 10]  # a key may follow
            if field.unique:
                for row in model.objects.all():
                    model.objects.filter(pk=row.pk).update(**{field.attname: f"{fits}{row.pk}"})
            else:
                model.objects.update(**{field.attname: fits})


def structures(client, rows):
    """Return the structure of every page, by the page."""
    job, runner, execution, running = rows
    wanted = [
        ("job_changelist", ()),
        ("jobexecution_changelist", ()),
        ("jobrunner_changelist", ()),
        ("timeline", ()),
        *(
            (f"{model}_{name}", (row.pk,))
            for model, row in (("job", job), ("jobrunner", runner), ("jobexecution", execution))
            for name in ("change", "delete", "history")
        ),
    ]
    found = {name: Structure(page(client, name, *args)) for name, args in wanted}
    found["running"] = Structure(page(client, "jobexecution_change", running.pk))
    for state in ("failed", "lost", "went_wrong"):
        html = page(client, "jobexecution_changelist", outcome__exact=state)
        found[state] = Structure(html)
    chosen = {"kind": execution.pk, "job__id__exact": job.pk}
    html = page(client, "jobexecution_changelist", **chosen)
    return {**found, "kind": Structure(html)}


@pytest.fixture
def rows(db, settings):
    settings.QUICK_JOBS_LOST_AFTER = 3600  # however long the pages take
    job = make_job(description="Sends what waits.")
    runner = make_runner(job, stop_detail="shop.jobs.send_emails: ValueError", release="3f2a91c")
    lost = make_runner(job, beat_at=timezone.now() - dt.timedelta(hours=3))
    make_runner(job, stopped_at=timezone.now(), stop_reason=JobRunner.TIMED_OUT)
    make_executions(job, lost, outcome="running", note="14 sent")
    *_others, running = make_executions(
        job,
        runner,
        outcome="running",
        note="14 sent",
        log="sent",
        stack="here",
        observed_at=timezone.now(),
        progress_done=3,
        progress_total=7,
        error="ValueError",
        traceback="boom",
    )
    make_executions(job, runner, 3)
    long = dt.timedelta(minutes=10)
    *_others, failed = make_executions(
        job,
        runner,
        3,
        outcome="failed",
        duration=long,
        error="ValueError",
        traceback="boom",
        note="14 sent",
        log="sent",
        fingerprint="ValueError here",
    )
    dense = make_job("shop.jobs.dense")
    make_executions(dense, runner, 150, every=1)
    return job, runner, failed, running


#: What the pages are made of before any text is hostile.
_before = {}


@pytest.mark.sweeps
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_becomes_markup(admin_client, rows, text):
    before = _before or structures(admin_client, rows)  # the same for each text
    _before.update(before)
    # Where texts are in place of outcomes, nothing went wrong, so there is less than before.
    for but in (["outcome"], []):
        write_everywhere(text, but)
        for name, structure in structures(admin_client, rows).items():
            assert structure.tags <= before[name].tags, name
            # Colours may differ, as what is not known went neither well nor wrong.
            assert structure.classes - before[name].classes <= KNOWN, name


def test_a_state_that_is_not_known_is_shown_as_text(admin_client, rows):
    JobExecution.objects.update(outcome="novel")
    for name in ("job_changelist", "jobexecution_changelist", "timeline"):
        structure = Structure(page(admin_client, name))
        assert "qj-novel" not in structure.classes
        assert "qj-unknown" in structure.classes
    assert "novel" in page(admin_client, "jobexecution_changelist")


def test_posted_texts_are_not_markup(admin_client, rows):
    write_everywhere(TEXTS["tags"])
    pks = list(JobExecution.objects.values_list("pk", flat=True)[:3])
    data = {"action": "delete_selected", "_selected_action": pks}
    html = admin_client.post(address("jobexecution_changelist"), data).content.decode()
    assert "<script>alert" not in html
    data["post"] = "yes"
    html = admin_client.post(address("jobexecution_changelist"), data, follow=True).content.decode()
    assert "<script>alert" not in html


def test_nothing_is_called_safe_but_by_django():
    for path in Path(quick_jobs.__file__).parent.rglob("*"):
        if path.suffix in (".py", ".html"):
            text = path.read_text(encoding="utf-8")
            for word in ("mark_safe", "SafeString(", "SafeText", "|safe", "autoescape"):
                assert word not in text, path
