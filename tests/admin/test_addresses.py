"""What an address says costs little, however long or odd it is."""

import re
from urllib.parse import parse_qs

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from quick_jobs.admin import JobExecutionAdmin
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.admin_pages import address, ago, listed, make_executions, make_job, make_runner, page

LONG = "x" * 20_000
ODD = "\U0001f600" * 2000
NUMBER = "9" * 5000
VALUES = (LONG, ODD, NUMBER, "\0'\"")
MOST_BYTES = 500_000
FRACTION = re.compile(r"(?<=:\d\d)\.\d+")

LIST_PARAMETERS = [
    "q",
    "p",
    "o",
    "e",
    "since",
    "took",
    "job__id__exact",
    "runner__id__exact",
    "outcome__exact",
    "started_at__gte",
    "unknown",
    "all",
    "_facets",
    "_popup",
    "_to_field",
    "_changelist_filters",
]


@pytest.fixture
def many_jobs(db):
    """As many as a filter may list."""
    Job.objects.bulk_create(Job(name=f"shop.jobs.job_{number:03}") for number in range(500))


@pytest.fixture
def executions(db):
    job = make_job()
    runner = make_runner(job)
    now = ago()
    others = [
        JobRunner(hostname="web-1", pid=pid, started_at=now, last_heartbeat_at=now)
        for pid in range(1, 51)
    ]
    JobRunner.objects.bulk_create(others)
    return make_executions(job, runner, 120, outcome="failed", error="ValueError: boom")


@pytest.mark.sweeps
def test_five_words_are_searched_and_no_more(admin_client, executions):
    found = {"q": "ValueError boom o m e nosuch"}
    assert len(listed(admin_client, "jobexecution", **found)) == 100
    assert listed(admin_client, "jobexecution", q="ValueError boom o m nosuch") == []
    assert len(listed(admin_client, "job", q="shop jobs send emails _ nosuch")) == 1


def test_the_autocomplete_of_a_sites_own_admin_reads_no_more_than_a_search(
    admin_user, rf, executions, monkeypatch
):
    monkeypatch.setattr("quick_jobs.admin.search.MOST_READ", 20)
    queryset = JobExecution.objects.all()

    def found(**params):
        request = rf.get("/admin/autocomplete/", params)
        request.user = admin_user
        (text,) = params.values() if len(params) == 1 else (params["term"],)
        model_admin = admin.site._registry[JobExecution]
        return model_admin.get_search_results(request, queryset, text)[0].count()

    assert found(q="boom") == found(term="boom") == 20
    assert found(term="boom", q="", outcome__exact="running") == 20
    assert found(term="") == 120


@pytest.mark.parametrize("name", ["jobexecution_changelist", "job_changelist", "timeline"])
def test_pages_say_that_five_words_count_where_there_are_five(admin_client, executions, name):
    assert "five words" not in page(admin_client, name, q="one two three four")
    six = "one two three four five six"
    assert "At most five words are used." in page(admin_client, name, q=six)


@pytest.mark.parametrize("name", ["jobexecution_changelist", "job_changelist", "timeline"])
def test_a_thousand_words_make_no_longer_statement_than_five(admin_client, executions, name):
    def longest(words):
        with CaptureQueriesContext(connection) as captured:
            page(admin_client, name, q=" ".join(words))
        # The clock's fractions of a second are shorter when they end in zeros.
        return max(len(FRACTION.sub("", query["sql"])) for query in captured.captured_queries)

    assert longest(["aa", "bb", "ee", "oo"] * 250) == longest(["aa", "bb", "ee", "oo", "aa"])


@pytest.mark.sweeps
@pytest.mark.parametrize("parameter", LIST_PARAMETERS)
def test_no_parameter_makes_a_list_large(
    admin_client, many_jobs, executions, parameter, monkeypatch
):
    monkeypatch.setattr(JobExecutionAdmin, "list_per_page", 20)
    for value in [*VALUES, "%" * 3000]:
        response = admin_client.get(address("jobexecution_changelist"), {parameter: value})
        assert response.status_code in (200, 302, 400), value[:10]
        assert len(response.content) < MOST_BYTES / 2, value[:10]


def test_all_parameters_together_make_no_list_large(admin_client, many_jobs, executions):
    everything = dict.fromkeys(["q", "o", "since", "took", "_popup", "outcome__exact"], ODD)
    assert len(page(admin_client, "jobexecution_changelist", **everything)) < MOST_BYTES
    del everything["outcome__exact"]
    everything["q"] = "o " * 500
    assert len(page(admin_client, "jobexecution_changelist", **everything)) < MOST_BYTES


def test_a_parameter_is_taken_once(admin_client, executions):
    query = "&".join(["outcome__exact=failed"] * 900)
    with CaptureQueriesContext(connection) as captured:
        response = admin_client.get(f"{address('jobexecution_changelist')}?{query}")
    assert len(response.context["cl"].result_list) == 100
    assert max(len(query["sql"]) for query in captured.captured_queries) < 5000


@pytest.mark.sweeps
@pytest.mark.parametrize("parameter", ["q", "p", "span", "until", "day", "unknown"])
def test_no_parameter_makes_the_timeline_large(admin_client, many_jobs, executions, parameter):
    for value in VALUES:
        html = page(admin_client, "timeline", **{parameter: value})
        assert len(html) < MOST_BYTES, value[:10]


@pytest.mark.parametrize("name", ["change", "delete", "history"])
def test_no_parameter_is_repeated_by_a_rows_page(admin_client, executions, name):
    query = {"_changelist_filters": LONG, "_popup": ODD, "unknown": LONG}
    html = page(admin_client, f"jobexecution_{name}", executions[0].pk, **query)
    assert len(html) < 50_000


@pytest.mark.parametrize("model", ["job", "jobrunner", "jobexecution"])
@pytest.mark.parametrize("name", ["change", "delete", "history"])
def test_a_key_that_is_none_is_told_in_short(admin_client, db, model, name):
    for pk in (LONG, "9" * 30, "-1", "x"):
        response = admin_client.get(address(f"{model}_{name}", pk), follow=True)
        assert len(response.content) < 50_000, pk[:10]


def test_a_list_goes_back_to_where_it_was_searched(admin_client, executions):
    (pk, *_others) = [execution.pk for execution in executions]
    filters = "q=boom&o=4"
    url = address("jobexecution_change", pk)
    response = admin_client.get(url, {"_changelist_filters": filters})
    # What Django puts into links, in Django 2.2 not into that to the list.
    assert parse_qs(response.context["preserved_filters"])["_changelist_filters"] == [filters]


def test_an_action_takes_no_more_rows_than_a_page_has(admin_client, executions, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    pks = [execution.pk for execution in executions]
    data = {"action": "delete_selected", "_selected_action": [*pks, *range(10**6, 10**6 + 3000)]}
    response = admin_client.post(address("jobexecution_changelist"), data)
    assert "Executions: 120" in response.content.decode()
    assert len(response.content) < MOST_BYTES


def test_an_action_passes_over_what_is_no_key(admin_client, executions):
    odd = ["x", "9" * 50, "-1", ODD, str(executions[0].pk)]
    data = {"action": "delete_selected", "_selected_action": odd, "post": "yes"}
    assert admin_client.post(address("jobexecution_changelist"), data).status_code == 302
    assert JobExecution.objects.count() == 119


@pytest.mark.parametrize("order", ["4", "-4"])
def test_executions_are_ordered_in_one_direction(admin_client, executions, order):
    with CaptureQueriesContext(connection) as captured:
        page(admin_client, "jobexecution_changelist", o=order)
    (sql,) = [
        query["sql"]
        for query in captured.captured_queries
        if re.search(r"started_at\S* \w+, \S+id\S* \w+\s+LIMIT 100\b", query["sql"])
    ]
    order_by = sql.rpartition("ORDER BY")[2]
    assert (order_by.count("ASC"), order_by.count("DESC")) in ((2, 0), (0, 2))
