"""The page of a job shows its last error, its last executions, and where it is written."""

import re

import pytest

from quick_jobs.admin.definitions import below
from quick_jobs.admin.releases import first_of_each_release, short_release
from quick_jobs.models import JobRunner
from tests.admin_pages import ago, make_executions, make_job, make_runner, page
from tests.records import a_job

COMMIT = "3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3"


@pytest.fixture
def job(db):
    return make_job()


def test_the_last_error_is_shown_in_full_with_the_end_of_its_log(admin_client, job):
    runner = make_runner(job)
    log = "\n".join(f"line {number}" for number in range(30))
    make_executions(job, runner, every=99, outcome="failed", error="OSError: old", traceback="old")
    make_executions(
        job, runner, every=90, outcome="failed", error="OSError: away", traceback="boom", log=log
    )
    make_executions(job, runner, 60, every=1, note="14 sent")
    html = page(admin_client, "job_change", job.pk)
    for text in ("Last error</h2>", "OSError: away", "boom</pre>", ">line 10\n", "line 29</pre>"):
        assert text in html, text
    for text in ("OSError: old", "line 9\n"):
        assert text not in html, text
    assert html.count("14 sent") == 10


def test_the_command_that_runs_it_by_hand_is_shown(admin_client, job, monkeypatch):
    command = f"python manage.py run_job {job.name}</pre>"
    make_runner(job)
    assert command in page(admin_client, "job_change", job.pk)


def test_a_job_without_errors_shows_none(admin_client, job):
    make_executions(job, make_runner(job), 2)
    assert "Last error" not in page(admin_client, "job_change", job.pk)


@pytest.mark.parametrize(("release", "is_said"), [(COMMIT, True), ("1.0", False), ("", False)])
def test_it_is_said_since_which_release_a_job_fails(admin_client, job, release, is_said):
    before = make_runner(job, release="1.0", stopped_at=ago(minutes=30))
    after = make_runner(job, release=release)
    make_executions(job, before, every=3000)
    make_executions(job, after, 3, outcome="failed", error="OSError: away")
    html = page(admin_client, "job_change", job.pk)
    assert ("failing since release 3f2a91c" in html) == is_said
    make_executions(job, after, every=1)
    assert "failing since release" not in page(admin_client, "job_change", job.pk)


def test_a_job_that_this_process_has_shows_where_it_is_written(admin_client, monkeypatch, job):
    assert "field-written" not in page(admin_client, "job_change", job.pk)
    registered = a_job(job.name)
    monkeypatch.setattr("quick_jobs.admin.definitions.registered_as", lambda name: (registered,))
    assert re.search(r"tests/records.py:\d+<", page(admin_client, "job_change", job.pk))


def test_a_path_begins_at_the_innermost_folder():
    folders = ["", "relative", "/srv", "/srv/shop", "/srv/shop2"]
    assert below("/srv/shop/mail/jobs.py", folders) == "mail/jobs.py"
    assert below("/usr/lib/jobs.py", folders) == ""


@pytest.mark.parametrize(
    ("release", "short"),
    [
        (COMMIT, "3f2a91c"),
        ("20261126123456", "20261126123456"),
        ("shop@2026.11.26+a-long-tail", "shop@2026.11.26+a-l…"),
        ("", ""),
    ],
)
def test_a_release_has_a_short_form(release, short):
    assert short_release(release) == short


def test_a_release_is_new_where_a_runner_begins_with_another():
    releases = ["a", "a", "", "b", "b", "a"]
    runners = [
        JobRunner(pk=number, started_at=ago(hours=9 - number), release=release)
        for number, release in enumerate(releases)
    ]
    assert [one.pk for one in first_of_each_release(runners[::-1])] == [3, 5]


def test_a_runner_and_the_timeline_show_the_release(admin_client, job):
    make_executions(job, make_runner(job, release="1.0", started_at=ago(hours=3)), every=9000)
    assert "qj-release" not in page(admin_client, "timeline")
    runner = make_runner(job, release=COMMIT, started_at=ago(hours=1))
    html = page(admin_client, "timeline")
    assert "release 3f2a91c</title>" in html
    assert "a new release of the code" in html
    assert f'<span title="{COMMIT}">3f2a91c</span>' in page(
        admin_client, "jobrunner_change", runner.pk
    )
