"""The page for monitoring: what it says, and to whom."""

from __future__ import annotations

import importlib.util

import pytest
from django.core.checks import run_checks
from django.db import OperationalError
from django.test import Client
from django.urls import include, path, reverse

from tests.admin_pages import ago, make_executions, make_job, make_runner

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns = [path("jobs/status/", include("quick_jobs.urls"))]

TOKEN = "an open sesame: \u20ac".replace(" ", "-")

# There is none for Python 3.7.
needs_parser = pytest.mark.skipif(
    importlib.util.find_spec("prometheus_client") is None, reason="needs prometheus_client"
)


@pytest.fixture(autouse=True)
def token(settings):
    settings.QUICK_JOBS_STATUS_TOKEN = TOKEN


@pytest.fixture
def job():
    return make_job()


@pytest.fixture
def runner(job):
    return make_runner(job)


def bearer(token=TOKEN):
    """Return the header as a server decodes what clients send."""
    return {"HTTP_AUTHORIZATION": f"Bearer {token}".encode().decode("latin-1")}


def ask(query="", **headers):
    return Client().get(f"/jobs/status/{query}", **(headers or bearer()))


def test_it_has_a_name():
    assert reverse("quick_jobs:status") == "/jobs/status/"


def test_it_is_200_where_all_is_well_and_503_where_something_is_wrong(job, runner):
    make_executions(job, runner)
    response = ask()
    assert response.status_code == 200
    assert response.json()["healthy"] is True
    assert "no-store" in response["Cache-Control"]
    make_executions(
        job, runner, every=1, outcome="failed", error="E: secret", traceback="secret trace"
    )
    response = ask()
    assert response.status_code == 503
    assert [finding["kind"] for finding in response.json()["findings"]] == ["failing"]
    assert b"secret" not in response.content


def test_duplicates_are_no_503(job, runner):
    make_runner(job, pid=5)
    make_executions(job, runner)
    response = ask()
    assert response.status_code == 200
    assert response.json()["warnings"][0]["kind"] == "duplicates"


def test_no_text_of_an_error_is_shown(job):
    make_runner(job, stopped_at=ago(hours=1), stop_reason="fatal_error", stop_detail="secret")
    response = ask()
    assert response.status_code == 503
    assert "No runner is alive" in response.json()["findings"][0]["sentence"]
    assert b"secret" not in response.content


@pytest.mark.parametrize("query", ["", "?format=prometheus"])
def test_where_the_database_cannot_be_asked_it_is_503_without_the_error(monkeypatch, query):
    def fail(using):
        raise OperationalError("secret")

    monkeypatch.setattr("quick_jobs.health.reading.database_now", fail)
    response = ask(query)
    assert response.status_code == 503
    assert b"secret" not in response.content


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \u4e16\u754c",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
    ],
)
def test_without_the_token_nobody_sees_that_there_is_such_a_page(header):
    assert ask(HTTP_AUTHORIZATION=header.encode().decode("latin-1")).status_code == 404
    assert ask(HTTP_AUTHORIZATION=header).status_code == 404


@pytest.mark.parametrize("wrong", [None, "", " ", "two words", b"bytes", 5])
def test_a_token_that_is_missing_or_wrong_opens_nothing(settings, wrong):
    settings.QUICK_JOBS_STATUS_TOKEN = wrong
    for given in ("", "None", "5", "bytes", "two words"):
        assert ask(**bearer(given)).status_code == 404
    ids = [message.id for message in run_checks(tags=["quick_jobs"])]
    assert ("quick_jobs.E015" in ids) == (wrong is not None)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"is_staff": True}, 200),
        ({"is_staff": False}, 404),
        ({"is_staff": True, "is_active": False}, 404),
    ],
)
def test_active_staff_may_see_it(client, django_user_model, fields, status, job, runner):
    make_executions(job, runner)
    client.force_login(django_user_model.objects.create(username="somebody", **fields))
    assert client.get("/jobs/status/").status_code == status


def test_it_takes_no_other_methods(job):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/jobs/status/").status_code == 404
    assert strict.post("/jobs/status/", **bearer()).status_code == 405
    assert strict.head("/jobs/status/", **bearer()).status_code == 503


def test_a_database_that_is_away_is_no_error_before_the_view_either(job, settings):
    from quick_jobs.views import status

    assert "default" in status._non_atomic_requests


@needs_parser
def test_prometheus_reads_the_metrics(job, runner):
    from prometheus_client.parser import text_string_to_metric_families

    hostile = make_job('shop.jobs.a"b\\c\nd')
    runner.jobs.add(hostile)
    make_executions(job, runner, 2)
    make_executions(hostile, runner, 2, outcome="failed")
    response = ask("?format=prometheus")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(response.content.decode()))
    samples = {
        (sample.name, sample.labels.get("job")): sample.value
        for family in families
        for sample in family.samples
    }
    assert all(family.type == "gauge" and family.documentation for family in families)
    assert samples["quick_jobs_healthy", None] == 0
    assert samples["quick_jobs_runners_alive", None] == 1
    assert 0 <= samples["quick_jobs_heartbeat_age_seconds", None] < 60
    for name, failing in ((job.name, 0), (hostile.name, 1)):
        assert samples["quick_jobs_job_failing", name] == failing
        assert samples["quick_jobs_job_late", name] == 0
        assert samples["quick_jobs_job_stuck", name] == 0
        assert samples["quick_jobs_job_running", name] == 0
        assert samples["quick_jobs_job_last_duration_seconds", name] == 1
    assert samples["quick_jobs_job_last_success_timestamp_seconds", job.name] > 1.6e9
    assert ("quick_jobs_job_last_success_timestamp_seconds", hostile.name) not in samples
