"""What a person may not list, no page names."""

import datetime as dt
import itertools

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from quick_jobs.models import JobExecution, JobRunner
from tests.admin_pages import (
    MODELS,
    address,
    listed,
    log_in,
    make_executions,
    make_job,
    make_runner,
)

#: What names a row of each model, in parts that no line break on a page tears apart.
NAMES = {
    "job": ("secretjob", "otherjob"),
    "jobrunner": ("secrethost", "losthost", "4242", "secretrel"),
    "jobexecution": (
        "secreterror",
        "secrettrace",
        "secretlog",
        "secretnote",
        "secretstack",
        "stopdetail",
    ),
}

COMBINATIONS = [
    tuple(chosen)
    for count in range(len(MODELS) + 1)
    for chosen in itertools.combinations(MODELS, count)
]


@pytest.fixture
def rows(db):
    job, other = make_job("secretjob"), make_job("otherjob")
    runner = make_runner(job, other, hostname="secrethost", pid=4242, release="secretrel2")
    lost = make_runner(job, hostname="losthost", beat_at=timezone.now() - dt.timedelta(hours=3))
    make_runner(
        job,
        hostname="secrethost",
        pid=4242,
        stopped_at=timezone.now(),
        stop_reason=JobRunner.FATAL_ERROR,
        stop_detail="secretjob: stopdetail",
    )
    make_executions(job, lost, outcome="running")
    said = {"log": "secretlog", "note": "secretnote"}
    before = make_runner(
        job, pid=4242, hostname="secrethost", release="secretrel1", stopped_at=timezone.now()
    )
    make_executions(job, before, every=600)
    (running,) = make_executions(job, runner, outcome="running", stack="secretstack", **said)
    make_executions(other, runner, 2)
    _before, execution, _after = make_executions(
        job, runner, 3, outcome="failed", error="secreterror", traceback="secrettrace", **said
    )
    return {
        "job": [job],
        "jobrunner": list(JobRunner.objects.all()),
        "jobexecution": [execution, running],
    }


def pages(client, rows):
    """Yield every page that the person may see, with parameters that could draw names out."""
    queries = [{}, {"q": "e"}, {"_popup": "1"}]
    own = {
        "job": [{"state": state} for state in ("running", "failed", "alive", "none", "gone")],
        "jobrunner": [{"state": state} for state in ("alive", "lost", "stopped")],
        "jobexecution": [
            {"job__id__exact": rows["job"][0].pk},
            {"runner__id__exact": rows["jobrunner"][0].pk},
            {"outcome__exact": "lost"},
            {"outcome__exact": "running"},
            {"outcome__exact": "went_wrong"},
            {"kind": rows["jobexecution"][0].pk},
        ],
    }
    addresses = [("/admin/", {}), ("/admin/quick_jobs/", {}), (address("timeline"), {})]
    addresses.append((address("timeline"), {"q": "job", "span": "7d"}))
    for model in MODELS:
        addresses += [(address(f"{model}_changelist"), query) for query in queries + own[model]]
        for row in rows[model]:
            for name in ("change", "delete", "history"):
                addresses.append((address(f"{model}_{name}", row.pk), {}))
    for url, query in addresses:
        response = client.get(url, query)
        if response.status_code == 200:
            yield url, response.content.decode()
    for model in MODELS:
        data = {"action": "delete_selected", "_selected_action": [row.pk for row in rows[model]]}
        response = client.post(address(f"{model}_changelist"), data)
        if response.status_code == 200:
            yield f"deletion of {model}", response.content.decode()


@pytest.mark.sweeps
@pytest.mark.parametrize("permitted", COMBINATIONS, ids="-".join)
def test_no_page_names_what_may_not_be_listed(client, rows, permitted):
    # The pages of deletions are further ones; no other page has less on it for them.
    deletions = [f"delete_{model}" for model in MODELS]
    log_in(client, *(f"view_{model}" for model in permitted), *deletions)
    seen = ""
    for url, html in pages(client, rows):
        seen += html
        for model in set(MODELS) - set(permitted):
            for name in NAMES[model]:
                assert name not in html, (url, name)
    for model in permitted:
        for name in NAMES[model]:
            # The detail of a stop names a job and tells of an execution, on a runner's page.
            if name != "stopdetail" or len(permitted) == 3:
                assert name in seen, name


def test_what_is_deleted_is_not_named_afterwards_either(client, rows):
    log_in(client, "view_jobexecution", "delete_jobexecution")
    execution = rows["jobexecution"][0]
    url = address("jobexecution_delete", execution.pk)
    html = client.post(url, {"post": "yes"}, follow=True).content.decode()
    assert not JobExecution.objects.filter(pk=execution.pk).exists()
    pks = list(JobExecution.objects.values_list("pk", flat=True))
    data = {"action": "delete_selected", "_selected_action": pks, "post": "yes"}
    html += client.post(address("jobexecution_changelist"), data, follow=True).content.decode()
    html += client.get("/admin/").content.decode()
    assert not JobExecution.objects.exists()
    assert "secretjob" not in html
    assert not any("secretjob" in str(entry) for entry in LogEntry.objects.all())


def test_a_name_that_may_not_be_listed_is_not_searched_for(client, rows):
    log_in(client, "view_jobexecution")
    assert listed(client, "jobexecution", q="secretjob") == []
    assert len(listed(client, "jobexecution", q="secreterror")) == 3
    both = [client.get(address("timeline"), {"q": q}).content.decode() for q in ("secretjob", "x")]
    assert both[0].count("qj-lane-name") == both[1].count("qj-lane-name")


def test_the_search_promises_names_of_jobs_only_to_whoever_may_list_jobs(client, rows):
    log_in(client, "view_jobexecution")
    html = client.get(address("jobexecution_changelist")).content.decode()
    assert 'title="Searches the errors."' in html
    assert "names of jobs" not in html
    log_in(client, "view_jobexecution", "view_job")
    html = client.get(address("jobexecution_changelist")).content.decode()
    assert 'title="Searches the names of jobs and the errors."' in html


@pytest.mark.parametrize("model", ["job", "jobrunner"])
def test_the_permission_for_executions_is_asked_where_there_are_some(client, rows, model):
    job = make_job("emptyjob")
    empty = {"job": job, "jobrunner": make_runner(stopped_at=timezone.now())}[model]
    log_in(client, f"view_{model}", f"delete_{model}")
    for row, is_permitted in ((empty, True), (rows[model][0], False)):
        url = address(f"{model}_delete", row.pk)
        assert ("permission to delete" not in client.get(url).content.decode()) == is_permitted
        data = {"action": "delete_selected", "_selected_action": row.pk}
        html = client.post(address(f"{model}_changelist"), data).content.decode()
        assert ("permission to delete" not in html) == is_permitted
        assert client.post(url, {"post": "yes"}).status_code == (302 if is_permitted else 403)


def test_the_permission_is_asked_also_if_only_the_last_of_many_rows_has_executions(client, rows):
    many = [make_job(f"job{number:03}") for number in range(120)]
    make_executions(many[-1], rows["jobrunner"][0])
    log_in(client, "view_job", "delete_job")
    data = {"action": "delete_selected", "_selected_action": [job.pk for job in many]}
    html = client.post(address("job_changelist"), data).content.decode()
    assert "permission to delete" in html


def test_a_job_that_may_not_be_named_has_its_number(client, rows):
    log_in(client, "view_jobexecution")
    html = client.get(address("timeline")).content.decode()
    assert f"job {rows['job'][0].pk}" in html
