"""What the admin's lists and pages show."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from quick_jobs.admin.wording import clock_time
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.admin_pages import (
    LONG_AGO,
    address,
    ago,
    listed,
    make_executions,
    make_job,
    make_runner,
    page,
)

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def job(db):
    return make_job(variance=dt.timedelta(seconds=15))


@pytest.fixture
def runner(job):
    return make_runner(job)


@pytest.fixture
def lost_runner(job):
    return make_runner(job, hostname="web-2", pid=12, beat_at=ago(hours=3), started_at=ago(days=1))


def test_a_job_shows_its_schedule_in_words(admin_client, job):
    assert "every 1 min to 1 min 15 s" in page(admin_client, "job_changelist")


def test_a_job_shows_its_last_execution_and_what_is_usual(admin_client, job, runner):
    make_executions(job, runner, 9, duration=dt.timedelta(seconds=2))
    failed = make_executions(job, runner, every=30, outcome="failed")[-1]
    (shown,) = listed(admin_client, "job")
    assert shown.facts.recent.last.pk == failed.pk
    html = page(admin_client, "job_changelist")
    assert "30 s ago" in html
    assert "2 s" in html
    html = page(admin_client, "job_change", job.pk)
    assert "1 of the last 10 failed" in html
    assert "1 runner" in html


def test_a_picture_has_a_bar_with_a_link_for_each_of_the_last_executions(admin_client, job, runner):
    executions = make_executions(job, runner, 30)
    html = page(admin_client, "job_changelist")
    assert html.count('class="qj-hit"') == 20
    assert f"/jobexecution/{executions[-1].pk}/change/" in html
    assert f"/jobexecution/{executions[0].pk}/change/" not in html


def heights(client, job):
    html = page(client, "job_change", job.pk)
    return [int(height) for height in re.findall(r'width="5" height="(\d+)"/></a>', html)]


def test_bars_below_ten_milliseconds_do_not_differ(admin_client, job, runner):
    for milliseconds in (1, 3, 9, 10):
        took = dt.timedelta(milliseconds=milliseconds)
        make_executions(job, runner, every=60 - milliseconds, duration=took)
    assert len(set(heights(admin_client, job))) == 1
    make_executions(job, runner, every=1, duration=dt.timedelta(milliseconds=20))
    assert heights(admin_client, job) == [12] * 4 + [24]


def figures(client):
    response = client.get(address("job_changelist"))
    return [(one.kind, one.number, one.text) for one in response.context["quick_jobs_figures"]]


def test_the_overview_says_in_figures_how_things_are(admin_client, job, runner, lost_runner):
    make_executions(job, lost_runner, outcome="running")
    make_executions(job, runner, 2)
    assert figures(admin_client) == [
        ("alive", "1", "live runner"),
        ("interrupted", "0", "running"),
        ("succeeded", "0", "need attention"),
        ("failed", "1", "went wrong in the last 24 hours"),
    ]
    make_executions(job, runner, 3, every=1, outcome="failed")
    make_executions(job, runner, every=0.5, outcome="running")
    JobRunner.objects.filter(pk=lost_runner.pk).update(last_heartbeat_at=timezone.now())
    assert figures(admin_client) == [
        ("alive", "2", "live runners"),
        ("running", "2", "running"),
        ("failed", "1", "needs attention"),
        ("failed", "3", "went wrong in the last 24 hours"),
    ]
    JobRunner.objects.update(stopped_at=timezone.now())
    assert figures(admin_client)[:2] == [
        ("failed", "0", "live runners"),
        ("interrupted", "0", "running"),
    ]


def test_it_is_said_since_when_a_job_fails(admin_client, job, runner):
    make_executions(job, runner, every=7 * 3600, outcome="failed")
    make_executions(job, runner, 2, every=5 * 3600)
    assert "last 7 h ago" in page(admin_client, "job_change", job.pk)
    make_executions(job, runner, 2, every=3600, outcome="timed_out")
    make_executions(job, runner, outcome="failed")
    make_executions(job, runner, every=1, outcome="running")
    assert "It failed 3 times in a row, first 2 h ago." in page(admin_client, "job_changelist")
    html = page(admin_client, "job_change", job.pk)
    assert "failing for 2 h" in html
    assert "last 7 h ago" not in html


@pytest.mark.parametrize(("seconds", "is_long"), [(4, False), (5, True)])
def test_what_runs_more_than_twice_as_long_as_usual_is_marked(
    admin_client, job, runner, seconds, is_long
):
    make_executions(job, runner, 9, duration=dt.timedelta(seconds=2))
    make_executions(job, runner, every=10, duration=dt.timedelta(seconds=seconds))
    assert ("unusually long: typical is 2 s" in page(admin_client, "job_changelist")) == is_long


def test_a_second_more_is_not_long(admin_client, job, runner):
    make_executions(job, runner, 9, duration=dt.timedelta(milliseconds=3))
    make_executions(job, runner, every=10, duration=dt.timedelta(seconds=1))
    assert "qj-long" not in page(admin_client, "job_changelist")


def test_a_job_and_a_runner_lead_to_their_executions(admin_client, job, runner):
    html = page(admin_client, "job_change", job.pk)
    assert f"/jobexecution/?job__id__exact={job.pk}" in html
    assert f"/jobexecution/timeline/?q={job.name}" in html
    html = page(admin_client, "jobrunner_change", runner.pk)
    assert f"/jobexecution/?runner__id__exact={runner.pk}" in html


def test_a_job_that_never_ran_is_shown_too(admin_client, job):
    page(admin_client, "job_changelist")
    page(admin_client, "job_change", job.pk)


def test_a_job_that_neither_a_runner_nor_the_code_has_is_told_apart(admin_client, job, monkeypatch):
    monkeypatch.setattr("quick_jobs.health.reading.all_jobs", lambda: [Job(name="shop.jobs.other")])
    assert "qj-gone" in page(admin_client, "job_changelist")
    assert listed(admin_client, "job", state="gone") == [job]
    monkeypatch.setattr("quick_jobs.health.reading.all_jobs", lambda: [Job(name=job.name)])
    assert listed(admin_client, "job", state="gone") == []
    assert "No live runner has it" in page(admin_client, "job_changelist")


def test_no_job_is_called_gone_when_the_code_cannot_be_imported(admin_client, job, monkeypatch):
    from quick_jobs.discovery import JobsError

    def fail():
        raise JobsError(["broken"])

    monkeypatch.setattr("quick_jobs.health.reading.all_jobs", fail)
    assert listed(admin_client, "job", state="gone") == []
    assert "qj-gone" not in page(admin_client, "job_changelist")


def test_jobs_are_filtered_by_state(admin_client, job, runner, lost_runner):
    failing, running, lost = (make_job(f"shop.jobs.{name}") for name in "abc")
    runner.jobs.add(failing, running)
    make_executions(failing, runner, 2)
    make_executions(failing, runner, every=1, outcome="failed")
    make_executions(running, runner, outcome="running")
    make_executions(lost, lost_runner, outcome="running")
    make_executions(job, runner, 2, every=2, outcome="failed")
    make_executions(job, runner, every=1)
    assert listed(admin_client, "job", state="failing") == [failing]
    assert listed(admin_client, "job", state="attention") == [failing]
    assert listed(admin_client, "job", state="ok") == [running, job]
    assert listed(admin_client, "job", state="gone") == [lost]
    assert listed(admin_client, "job", state="running") == [running]
    assert listed(admin_client, "job", state="alive") == [failing, running, job]
    assert listed(admin_client, "job", state="none") == [lost]


def test_jobs_are_searched_by_name(admin_client, job):
    other = make_job("billing.jobs.close_the_day")
    assert listed(admin_client, "job", q="close day") == [other]


def test_an_execution_shows_its_outcome_its_duration_and_its_traceback(admin_client, job, runner):
    (execution,) = make_executions(
        job,
        runner,
        outcome="failed",
        duration=dt.timedelta(seconds=2.4),
        error="ValueError: boom",
        traceback="Traceback: <b>boom</b>",
    )
    html = page(admin_client, "jobexecution_change", execution.pk)
    assert "qj-failed" in html
    assert "2.4 s" in html
    assert "ValueError: boom" in html
    assert "Traceback: &lt;b&gt;boom&lt;/b&gt;" in html
    assert "ValueError: boom" in page(admin_client, "jobexecution_changelist")


def test_an_execution_leads_to_the_previous_and_the_next_of_its_job(admin_client, job, runner):
    first, second, third = make_executions(job, runner, 3)
    make_executions(make_job("shop.jobs.other"), runner, 3)
    html = page(admin_client, "jobexecution_change", second.pk)
    assert f'/{first.pk}/change/" rel="prev"' in html
    assert f'/{third.pk}/change/" rel="next"' in html
    assert 'rel="prev"' not in page(admin_client, "jobexecution_change", first.pk)
    assert 'rel="next"' not in page(admin_client, "jobexecution_change", third.pk)


def test_executions_of_the_same_moment_do_not_lead_to_themselves(admin_client, job, runner):
    first, second = make_executions(job, runner, 2)
    JobExecution.objects.update(started_at=first.started_at)
    assert "rel=" in page(admin_client, "jobexecution_change", first.pk)
    html = page(admin_client, "jobexecution_change", second.pk)
    assert f'/{first.pk}/change/" rel="prev"' in html
    assert 'rel="next"' not in html


def test_a_running_execution_shows_how_long_it_has_been_at_it(admin_client, job, runner):
    make_executions(job, runner, every=125, outcome="running")
    assert "2 min 5 s so far" in page(admin_client, "jobexecution_changelist")


def test_what_runs_in_a_lost_runner_is_shown_as_lost(admin_client, job, runner, lost_runner):
    (lost,) = make_executions(job, lost_runner, outcome="running", every=4 * 3600)
    (running,) = make_executions(job, runner, outcome="running")
    assert listed(admin_client, "jobexecution", outcome__exact="lost") == [lost]
    assert listed(admin_client, "jobexecution", outcome__exact="running") == [running]
    assert "qj-lost" in page(admin_client, "jobexecution_change", lost.pk)
    assert "qj-running" in page(admin_client, "jobexecution_change", running.pk)


def test_a_lost_execution_says_from_when_to_when_it_was_seen(admin_client, job):
    died = make_runner(job, started_at=ago(hours=3), beat_at=ago(hours=2))
    (lost,) = make_executions(job, died, outcome="running", every=7200 + 64.5)
    html = page(admin_client, "jobexecution_change", lost.pk)
    end = clock_time(died.last_heartbeat_at)
    vanished = clock_time(died.last_heartbeat_at + dt.timedelta(seconds=15))
    assert f"Lost: the process vanished between {end} and {vanished[11:]}." in html
    for shown in (html, page(admin_client, "jobexecution_changelist")):
        assert "at least 1 min 4 s" in shown
        assert "Its runner is lost." in shown
    assert "Its runner is lost." in page(admin_client, "job_change", job.pk)
    assert "at least 1 min 4 s" in page(admin_client, "job_changelist")
    assert "lost, at least 1 min 4 s" in page(admin_client, "timeline")
    assert "at least 1 h" in page(admin_client, "jobrunner_changelist")
    assert "at least 1 h" in page(admin_client, "jobrunner_change", died.pk)


def test_what_a_runner_did_after_its_last_heartbeat_tells_how_long_it_lived(admin_client, job):
    died = make_runner(job, started_at=ago(hours=2), beat_at=ago(hours=2, milliseconds=-4))
    (lost,) = make_executions(job, died, outcome="running", every=7200 - 0.002)
    html = page(admin_client, "jobexecution_change", lost.pk)
    assert ">unknown<" in html
    assert "2 ms" not in html
    make_executions(make_job("shop.jobs.other"), died, every=7200 - 3.5)
    assert "at least 4 s" in page(admin_client, "jobexecution_change", lost.pk)
    assert "at least 4 s" in page(admin_client, "jobrunner_change", died.pk)


def test_it_is_said_that_nothing_is_on_record_of_one_that_was_lost_at_once(admin_client, job):
    died = make_runner(job, started_at=ago(hours=3), beat_at=ago(hours=2))
    (lost,) = make_executions(job, died, outcome="running", every=7205)
    said = "Nothing is on record since its start: what a job says, and where it is, is written"
    assert f"{said} with each heartbeat, every 15 s." in page(
        admin_client, "jobexecution_change", lost.pk
    )
    JobExecution.objects.update(observed_at=ago(hours=2), log="one line")
    assert said not in page(admin_client, "jobexecution_change", lost.pk)


def test_an_execution_that_is_not_lost_needs_no_explanation(admin_client, job, runner):
    (execution,) = make_executions(job, runner)
    assert "vanished" not in page(admin_client, "jobexecution_change", execution.pk)


def test_executions_are_filtered_by_job_runner_outcome_time_and_duration(
    admin_client, job, runner, lost_runner
):
    other = make_job("shop.jobs.other")
    (failed,) = make_executions(job, runner, outcome="failed")
    (elsewhere,) = make_executions(other, lost_runner, every=7200)
    (slow,) = make_executions(job, runner, every=90000, duration=HOUR)

    def found(**query):
        return set(listed(admin_client, "jobexecution", **query))

    assert found(job__id__exact=other.pk) == {elsewhere}
    assert found(runner__id__exact=lost_runner.pk) == {elsewhere}
    assert found(outcome__exact="failed") == {failed}
    assert found(outcome__exact="failed", job__id__exact=other.pk) == set()
    assert found(outcome__exact="failed", job__id__exact=job.pk) == {failed}
    assert found(since="1h") == {failed}
    assert found(since="6h") == {failed, elsewhere}
    assert found(since="7d") == {failed, elsewhere, slow}
    assert found(took="600") == {slow}
    end = failed.started_at.timestamp() - 1
    assert found(since=f"{end - 10000}-{end}") == {elsewhere}
    assert found(since=f"-{end}") == {elsewhere, slow}
    assert found(since=f"{end}-") == {failed}


@pytest.mark.sweeps
@pytest.mark.parametrize("text", ["²", "9" * 25, "-1", "1.5", "a\0b"])
def test_an_address_that_nobody_was_given_is_no_error(admin_client, job, runner, text):
    make_executions(job, runner)
    for name in ("job__id__exact", "runner__id__exact", "outcome__exact", "since", "took"):
        query = {name: text, "q": "x"}
        response = admin_client.get(address("jobexecution_changelist"), query)
        assert response.status_code in (200, 302), query
    for name in ("span", "until", "q", "p"):
        page(admin_client, "timeline", **{name: text})


@pytest.mark.parametrize("since", ["", "x", "-", "1-x", "9" * 12 + "-", "--", "1e5-"])
def test_a_span_that_is_none_is_ignored(admin_client, job, runner, since):
    make_executions(job, runner)
    assert len(listed(admin_client, "jobexecution", since=since)) == 1


@pytest.mark.parametrize(
    "query", [{"job__id__exact": "x", "took": "1"}, {"outcome__exact": "x"}, {"p": "99"}]
)
def test_a_choice_that_is_none_is_no_error(admin_client, job, runner, query):
    make_executions(job, runner)
    assert admin_client.get(address("jobexecution_changelist"), query).status_code in (200, 302)


def test_executions_are_searched_in_names_and_errors(admin_client, job, runner):
    other = make_job("billing.jobs.close_the_day")
    (mail,) = make_executions(job, runner, outcome="failed", error="SMTPError: refused")
    (bill,) = make_executions(other, runner, outcome="failed", error="ValueError: no such day")

    def found(words):
        return set(listed(admin_client, "jobexecution", q=words))

    assert found("send_emails") == {mail}
    assert found("REFUSED") == {mail}
    assert found("jobs") == {mail, bill}
    assert found("close ValueError") == {bill}
    assert found("close refused") == set()
    assert found("nosuch") == set()


def test_it_is_told_how_far_back_was_searched(admin_client, job, runner, monkeypatch):
    monkeypatch.setattr("quick_jobs.admin.search.MOST_READ", 5)
    executions = make_executions(job, runner, 10, outcome="failed", error="ValueError: boom")
    html = page(admin_client, "jobexecution_changelist", q="boom")
    assert listed(admin_client, "jobexecution", q="boom") == executions[:4:-1]
    assert "have been searched" in html
    assert "Older ones" in html
    assert "have been searched" not in page(admin_client, "jobexecution_changelist")


def test_older_ones_than_are_counted_can_be_reached(admin_client, job, runner, monkeypatch):
    monkeypatch.setattr("quick_jobs.admin.paging.MOST_COUNTED", 150)
    executions = make_executions(job, runner, 180)
    html = page(admin_client, "jobexecution_changelist")
    assert "150+" in html
    assert "Older ones" not in html
    last = "2" if 'href="?p=2"' in html else "1"  # Django 3.2 began to count from 1
    response = admin_client.get(address("jobexecution_changelist"), {"p": last})
    cl = response.context["cl"]
    assert "Older ones" in response.content.decode()
    older = admin_client.get(address("jobexecution_changelist") + cl.older_url)
    assert list(older.context["cl"].result_list)[1:] == executions[29::-1]


def test_a_filter_is_a_dropdown_with_few_choices_too(admin_client, job, runner):
    html = page(admin_client, "jobexecution_changelist")
    assert html.count('<label class="qj-filter">') == 5
    assert html.count("<select") >= 5


def test_filters_offer_the_newest_runners_and_the_one_that_is_chosen(admin_client, job):
    oldest, *_others = [make_runner(pid=number + 1) for number in range(60)]
    html = page(admin_client, "jobexecution_changelist")
    assert "web-1 (60)" in html
    assert "web-1 (1)<" not in html
    html = page(admin_client, "jobexecution_changelist", runner__id__exact=oldest.pk)
    assert "web-1 (1)<" in html


def test_a_runner_shows_its_state_and_its_work(admin_client, job, runner, lost_runner):
    stopped = make_runner(pid=77, stopped_at=timezone.now(), stop_reason=JobRunner.TIMED_OUT)
    make_executions(job, runner, 12, lateness=dt.timedelta(milliseconds=3))
    make_executions(job, runner, 3, outcome="failed", lateness=dt.timedelta(seconds=7))
    (running,) = make_executions(job, runner, outcome="running", every=125)
    html = page(admin_client, "jobrunner_changelist")
    for text in ("qj-alive", "qj-lost", "qj-broken", "a job ran over its timeout", "3 h ago"):
        assert text in html
    for text in ("3 of its last 15 failed", "at most 7 s", ">16<", "2 min 5 s", ">1</td>", "1 h"):
        assert text in html
    assert f"/jobexecution/{running.pk}/change/" in html
    for one, state in ((runner, "alive"), (lost_runner, "lost"), (stopped, "stopped")):
        assert listed(admin_client, "jobrunner", state=state) == [one]
        page(admin_client, "jobrunner_change", one.pk)
    assert "send_<wbr>emails" in page(admin_client, "jobrunner_change", runner.pk)


@pytest.mark.parametrize(
    ("reason", "is_red"),
    [("", True), (JobRunner.SIGNAL, False), (JobRunner.STOP_AFTER, False), ("crashed", True)],
)
def test_failures_of_a_runner_that_has_ended_normally_are_not_red(
    admin_client, job, runner, reason, is_red
):
    make_executions(job, runner, 5, outcome="failed")
    stopped_at = timezone.now() if reason else None
    JobRunner.objects.update(stopped_at=stopped_at, stop_reason=reason)
    for html in (
        page(admin_client, "jobrunner_changelist"),
        page(admin_client, "jobrunner_change", runner.pk),
    ):
        assert "5 of its last 5 failed" in html
        assert "failing" not in html
        assert ('class="qj-bad"' in html) == is_red


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 run, none failed"), (3, "none of the last 3 failed")]
)
def test_it_is_said_that_none_failed(admin_client, job, runner, count, words):
    make_executions(job, runner, count)
    assert words in page(admin_client, "job_change", job.pk)
    assert words in page(admin_client, "jobrunner_changelist")


def test_a_runner_that_runs_much_names_a_few(admin_client, job, runner):
    make_executions(job, runner, 5, outcome="running")
    assert "and 2 more" in page(admin_client, "jobrunner_changelist")


def test_executions_without_numbers_are_counted_as_far_as_they_are_read(admin_client, job, runner):
    make_executions(job, runner, 3)
    JobExecution.objects.update(number=None)
    assert ">3<" in page(admin_client, "jobrunner_changelist")


def test_it_is_said_that_there_was_never_a_runner(admin_client, job):
    assert "There has been no runner yet" in page(admin_client, "job_changelist")


@pytest.mark.parametrize("name", ["job_changelist", "jobexecution_changelist", "timeline"])
def test_it_is_said_that_no_runner_is_alive(admin_client, job, name):
    make_runner(stopped_at=ago(hours=2))
    html = page(admin_client, name)
    assert "No runner is alive" in html
    assert "stopped 2 h ago" in html


def test_it_is_said_that_a_runner_is_lost_for_a_day(admin_client, job, runner, lost_runner):
    said = "A runner vanished: web-2 (12) 3 h ago. It was killed, or does not reach the database."
    assert f"{said} Another runner is alive." in page(admin_client, "job_changelist")
    JobRunner.objects.filter(pk=lost_runner.pk).update(last_heartbeat_at=timezone.now() - LONG_AGO)
    assert "vanished" not in page(admin_client, "job_changelist")


def test_it_is_said_that_live_runners_share_jobs(admin_client, job, runner):
    assert "runs twice" not in page(admin_client, "job_changelist")
    make_runner(job, pid=5)
    assert "2 runners run the same job: it runs twice." in page(admin_client, "job_changelist")
