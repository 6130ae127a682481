"""No page's number of queries, nor what they read, grows with what there is."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from quick_jobs.models import JobExecution
from tests.admin_pages import address, ago, make_executions, make_job, make_runner


def fill(number, executions):
    jobs = [make_job(f"shop.jobs.job_{number}_{one}") for one in range(number)]
    for one in range(number):
        runner = make_runner(*jobs, pid=one + 1)
        make_runner(*jobs, pid=one + 1, beat_at=ago(hours=2), started_at=ago(hours=5))
        for job in jobs:
            make_executions(job, runner, executions, every=20, error="ValueError: boom")
            make_executions(job, runner, outcome="running")
            make_executions(
                job, runner, executions // 2, outcome="failed", error="boom", note="n", log="l"
            )
    return jobs[0], runner


def queries_of(client, name, *args, **query):
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address(name, *args), query)
    assert response.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


PAGES = [
    ("job_changelist", {}),
    ("job_changelist", {"state": "running"}),
    ("job_changelist", {"state": "failed"}),
    ("job_changelist", {"state": "alive"}),
    ("jobexecution_changelist", {}),
    ("jobexecution_changelist", {"outcome__exact": "failed"}),
    ("jobexecution_changelist", {"outcome__exact": "failed", "took": "1"}),
    ("jobexecution_changelist", {"outcome__exact": "lost"}),
    ("jobexecution_changelist", {"outcome__exact": "went_wrong"}),
    ("jobexecution_changelist", {"outcome__exact": "failed", "kind": "1"}),
    ("jobexecution_changelist", {"q": "boom job"}),
    ("jobrunner_changelist", {}),
    ("jobrunner_changelist", {"state": "lost"}),
    ("timeline", {}),
    ("timeline", {"span": "7d"}),
]


@pytest.mark.sweeps
def test_the_number_of_queries_depends_on_nothing(admin_client):
    fill(2, 3)
    few = [queries_of(admin_client, name, **query) for name, query in PAGES]
    fill(4, 8)
    for (name, query), before in zip(PAGES, few):
        many = queries_of(admin_client, name, **query)
        assert len(many) == len(before), "\n\n".join([name, *many])


def test_a_list_counts_no_table_and_reads_nothing_distinct_or_long(admin_client):
    fill(2, 3)
    for name, query in PAGES:
        for sql in queries_of(admin_client, name, **query):
            assert "DISTINCT" not in sql
            # Only what a LIMIT has bounded is counted.
            assert "COUNT(" not in sql or "LIMIT" in sql or "jobrunner_jobs" in sql, sql
            for column in JobExecution.LONG_TEXTS:
                assert not re.search(rf"\b{column}\b", sql), sql


@pytest.mark.parametrize("model", ["job", "jobrunner", "jobexecution"])
def test_a_rows_page_takes_the_same_queries_whatever_there_is(admin_client, model):
    job, runner = fill(2, 3)

    def queries():
        execution = runner.executions.order_by("-pk").exclude(outcome="running")[1]
        pks = {"job": job.pk, "jobrunner": runner.pk, "jobexecution": execution.pk}
        return queries_of(admin_client, f"{model}_change", pks[model])

    queries()  # a process asks for a content type once
    few = queries()
    fill(4, 4)
    make_executions(job, runner, 50, duration=dt.timedelta(seconds=3))
    assert len(queries()) == len(few)


def test_an_executions_page_reads_long_texts_of_no_other(admin_client):
    _job, runner = fill(1, 3)
    execution = runner.executions.order_by("pk")[1]
    sent = queries_of(admin_client, "jobexecution_change", execution.pk)
    assert len([sql for sql in sent if re.search(r"\btraceback\b", sql)]) == 1
