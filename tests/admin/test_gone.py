"""Which jobs are called gone from the code, and what follows from that."""

import importlib.util
import sys

import pytest
from django.utils import timezone

from quick_jobs.discovery import JobsError
from quick_jobs.health.code import JobNames, may_be_elsewhere
from quick_jobs.models import Job
from tests.admin_pages import address, ago, listed, make_executions, make_job, make_runner, page


@pytest.fixture
def code(monkeypatch):
    """The jobs in the code of this process."""
    jobs = [Job(name="shop.jobs.other")]
    monkeypatch.setattr("quick_jobs.health.reading.all_jobs", lambda: jobs)
    return jobs


@pytest.fixture
def gone(db, code):
    """A job that failed, and whose runner stopped before this process began."""
    job = make_job()
    runner = make_runner(
        job, started_at=ago(days=9), beat_at=ago(days=8), stopped_at=timezone.now()
    )
    make_executions(job, runner, 2, outcome="failed")
    return job


def failing(client):
    figures = client.get(address("job_changelist")).context["quick_jobs_figures"]
    return next(one.number for one in figures if "need" in one.text)


def test_a_job_that_is_gone_is_not_failing(admin_client, gone, code):
    html = page(admin_client, "job_changelist")
    assert "not in the code" in html
    assert "qj-failing" not in html
    html = page(admin_client, "job_change", gone.pk)
    assert "2 of the last 2 failed" in html
    assert "failing for" not in html
    assert failing(admin_client) == "0"
    assert listed(admin_client, "job", state="failing") == []
    assert listed(admin_client, "job", state="gone") == [gone]


def test_a_job_that_is_in_the_code_is_failing_also_without_a_runner(
    admin_client, gone, monkeypatch
):
    monkeypatch.setattr(
        "quick_jobs.health.reading.all_jobs", lambda: [Job(name="shop.jobs.send_emails")]
    )
    html = page(admin_client, "job_changelist")
    assert "It failed 2 times in a row" in html
    assert "No live runner has it" in html
    assert failing(admin_client) == "1"
    assert listed(admin_client, "job", state="failing") == [gone]


def test_a_job_of_a_runner_that_began_after_this_process_is_not_gone(admin_client, gone):
    make_runner(gone, started_at=timezone.now(), stopped_at=timezone.now())
    assert "no live runner" in page(admin_client, "job_changelist")
    assert listed(admin_client, "job", state="gone") == []
    assert listed(admin_client, "job", state="failing") == [gone]


def test_a_job_that_a_live_runner_runs_is_not_gone_also_if_it_is_not_in_its_list(
    admin_client, gone
):
    make_executions(gone, make_runner(started_at=ago(days=9)), every=1, outcome="failed")
    assert listed(admin_client, "job", state="gone") == []
    assert listed(admin_client, "job", state="failing") == [gone]


def test_a_job_from_elsewhere_is_not_gone_while_no_runner_has_it(admin_client, gone):
    Job.objects.filter(pk=gone.pk).update(name="tests.records.a_job")
    assert "no live runner" in page(admin_client, "job_changelist")
    assert listed(admin_client, "job", state="gone") == []


@pytest.mark.parametrize(
    ("name", "may_be"),
    [
        ("tests.records.a_job", True),
        ("tests.records.Class.a_job", True),
        ("tests.records.no_such_job", False),
        ("tests.no_such_module.a_job", False),
        ("no_such_package.jobs.a_job", False),
        ("a_job", False),
    ],
)
def test_a_job_may_be_elsewhere_if_a_module_has_its_name(name, may_be):
    assert may_be_elsewhere(name) == may_be


def test_a_job_may_be_in_code_that_only_a_finder_knows(monkeypatch, tmp_path):
    """An editable install has such a finder."""
    package = tmp_path / "src"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text("def a_job(env): ...")

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "editable_package":
                where = str(package / "__init__.py")
                return importlib.util.spec_from_file_location(name, where)
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert may_be_elsewhere("editable_package.tasks.a_job")
    assert not may_be_elsewhere("editable_package.tasks.no_such_job")
    assert not {"editable_package", "editable_package.tasks"}.intersection(sys.modules)


def test_below_an_apps_jobs_module_nothing_is_elsewhere(monkeypatch):
    monkeypatch.setattr("quick_jobs.health.code._is_in_a_module", lambda name: True)
    assert not may_be_elsewhere("quick_jobs.jobs.tidy")
    assert may_be_elsewhere("quick_jobs.jobs_of_others.tidy")


def test_the_code_is_looked_through_once_also_if_that_fails(admin_client, db, monkeypatch):
    make_job()
    calls = []

    def fail():
        calls.append(1)
        raise JobsError(["broken"])

    monkeypatch.setattr("quick_jobs.health.reading.all_jobs", fail)
    for _request in range(3):
        page(admin_client, "job_changelist")
        page(admin_client, "job_changelist", state="gone")
    assert calls == [1]


def test_an_error_of_another_kind_is_not_remembered():
    names = JobNames()

    def fail():
        raise OSError("for a moment")

    with pytest.raises(OSError, match="moment"):
        names.of(fail)
    assert names.of(lambda: [Job(name="a")]) == {"a"}
