"""Lists of failures have a head that groups them."""

import pytest

from quick_jobs.admin import kinds_head
from quick_jobs.models import Job
from tests.admin_pages import address, ago, listed, log_in, make_executions, make_job, make_runner


@pytest.fixture
def failures(db):
    """Three kinds of failures of two jobs, and what is none."""
    job, other = make_job("shop.jobs.ask"), make_job("shop.jobs.send")
    runner = make_runner(job, other)
    refused = {"fingerprint": "OSError shop.py", "outcome": "failed"}
    make_executions(job, runner, 5, **refused, error="OSError: port 5432 refused")
    make_executions(other, runner, 2, every=90, **refused, error="OSError: port 5433 refused")
    make_executions(job, runner, 2, outcome="timed_out")
    died = make_runner(job, beat_at=ago(hours=3), started_at=ago(days=1))
    make_executions(job, died, outcome="running", every=20000)
    make_executions(job, runner, outcome="running")
    make_executions(job, runner, 3)


def head_of(client, **query):
    return client.get(address("jobexecution_changelist"), query).context["cl"].kinds


def test_what_went_wrong_is_failed_timed_out_or_lost(admin_client, failures):
    found = listed(admin_client, "jobexecution", outcome__exact="went_wrong")
    assert sorted(one.facts.state for one in found) == 7 * ["failed"] + ["lost"] + 2 * ["timed_out"]


def test_kinds_lead_to_exactly_their_executions(admin_client, failures):
    head = head_of(admin_client, outcome__exact="went_wrong")
    assert (head.text, head.older, head.others) == ("10 failures, 3 kinds", "", "")
    assert [kind.number for kind in head.kinds] == ["7", "2", "1"]
    assert [kind.message for kind in head.kinds] == [
        "OSError: port … refused",
        "timed out",
        "lost",
    ]
    for kind in head.kinds:
        response = admin_client.get(address("jobexecution_changelist") + kind.url)
        assert len(response.context["cl"].result_list) == int(kind.number)
        assert kind.message in response.content.decode()
        assert response.context["cl"].kinds is None
    html = admin_client.get(
        address("jobexecution_changelist"), {"outcome__exact": "went_wrong"}
    ).content.decode()
    assert "shop.<wbr>jobs.<wbr>send" in html


def test_kinds_are_those_of_the_list(admin_client, failures):
    job = Job.objects.get(name="shop.jobs.send")
    assert head_of(admin_client, outcome__exact="failed").text == "7 failures, 1 kind"
    head = head_of(admin_client, outcome__exact="went_wrong", job__id__exact=job.pk)
    assert head.text == "2 failures, 1 kind"
    response = admin_client.get(address("jobexecution_changelist") + head.kinds[0].url)
    assert {one.job for one in response.context["cl"].result_list} == {job}
    assert head_of(admin_client, outcome__exact="timed_out", q="refused") is None
    for query in ({}, {"outcome__exact": "succeeded"}, {"outcome__exact": "running"}):
        assert head_of(admin_client, **query) is None


def test_it_is_said_that_only_the_newest_are_grouped(admin_client, failures, monkeypatch):
    monkeypatch.setattr(kinds_head, "MOST_GROUPED", 3)
    head = head_of(admin_client, outcome__exact="went_wrong")
    assert head.text.startswith("3 failures")
    assert "newest" in head.older


def test_more_kinds_than_fit_are_counted(admin_client, db):
    job = make_job()
    runner = make_runner(job)
    for number in range(14):
        make_executions(job, runner, outcome="failed", fingerprint=f"{number}", error="x")
    head = head_of(admin_client, outcome__exact="failed")
    assert (head.text, head.others, len(head.kinds)) == ("14 failures, 14 kinds", "and 4 more", 10)


@pytest.mark.parametrize("kind", ["x", "0", "9" * 30, "-1"])
def test_a_kind_that_is_none_finds_nothing(admin_client, failures, kind):
    assert listed(admin_client, "jobexecution", kind=kind) == []


def test_many_that_went_wrong_are_bounded_by_those_that_are_read(
    admin_client, failures, monkeypatch
):
    monkeypatch.setattr("quick_jobs.admin.search.MOST_READ", 3)
    changelist = admin_client.get(
        address("jobexecution_changelist"), {"outcome__exact": "went_wrong"}
    ).context["cl"]
    assert changelist.searched_since
    assert changelist.older_url
    assert 3 <= changelist.result_count < 10


def test_jobs_that_may_not_be_named_have_numbers(client, failures):
    log_in(client, "view_jobexecution")
    head = head_of(client, outcome__exact="went_wrong")
    assert not any("shop" in job for kind in head.kinds for job in kind.jobs)


def test_a_kind_is_found_among_others_of_the_same_time(admin_client, failures):
    head = head_of(admin_client, outcome__exact="went_wrong", since="1h")
    assert head.text == "9 failures, 2 kinds"
