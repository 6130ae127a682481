"""When a job and a site are well, and what is said when they are not: by given times."""

from __future__ import annotations

import datetime as dt

import pytest

from quick_jobs import at
from quick_jobs.health import (
    JobFacts,
    OnceFacts,
    Outcome,
    RunnerFacts,
    Running,
    SiteFacts,
    advice_on,
    health_of,
    health_of_job,
    sentence_of,
)
from quick_jobs.next_starts import LastExecution, Plan

NOW = dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
NONE = dt.timedelta(0)


def a_runner(kind="runner", **fields):
    fields = {"started_at": NOW - DAY, "last_heartbeat_at": NOW - SECOND, **fields}
    return RunnerFacts(kind, fields.pop("name", "web-1 (4711)"), **fields)


def an_end(ago, reason="timed_out", detail="shop.jobs.loops ran over its timeout of 5 s", **fields):
    ended_at = NOW - ago
    return a_runner(
        last_heartbeat_at=ended_at,
        stopped_at=ended_at,
        stop_reason=reason,
        stop_detail=detail,
        **fields,
    )


def a_site(*alive, **fields):
    return SiteFacts(NOW, fields.pop("lost_after", MINUTE), alive=alive, **fields)


LIVE = a_site(a_runner())
DOWN = a_site(last=an_end(HOUR, "signal", "SIGTERM"))


def every(interval, variance=NONE, resume=False):
    return Plan(None, interval, variance, resume)


def by_clock(*times, variance=NONE):
    return Plan(at(*times, timezone="UTC"), NONE, variance, False)


def outcomes(*states, step=MINUTE, took=SECOND):
    """Return executions with these states, the last of them a ``step`` ago, the newest first."""
    count = len(states)
    moments = [NOW - (count - number) * step for number in range(count)]
    found = [Outcome(state, moment, took) for state, moment in zip(states, moments)]
    return found[::-1]


def a_job(plan=None, started=None, took=SECOND, states=(), **fields):
    """Return a job of a live runner; ``started`` is how long ago it did so for the last time."""
    recent = outcomes(*states)
    last = None
    if started is not None:
        ended_at = None if took is None else NOW - started + took
        last = LastExecution(NOW - started, None, ended_at, False)
    telling = [one for one in recent if one.state not in ("running", "interrupted", "abandoned")]
    return JobFacts(
        "shop.jobs.send_emails",
        plan or every(MINUTE),
        **{
            "pk": 1,
            "is_registered": True,
            "runner_began_at": NOW - DAY,
            "runners": 1,
            "last": last,
            "telling": telling[0] if telling else None,
            "recent": recent,
            **fields,
        },
    )


def state(job, site=LIVE):
    return health_of_job(job, site).state


def said(job, site=LIVE):
    (finding,) = health_of_job(job, site).findings
    return sentence_of(finding)


def test_a_job_that_succeeds_when_it_is_due_is_ok():
    assert state(a_job(started=30 * SECOND, states=["failed", "succeeded"])) == "ok"


@pytest.mark.parametrize(
    ("states", "is_failing"),
    [
        (["succeeded", "failed"], True),
        (["succeeded", "timed_out"], True),
        (["succeeded", "lost"], True),
        (["lost", "succeeded"], False),
        (["succeeded", "abandoned"], False),
        (["failed", "interrupted", "abandoned", "running"], True),
        (["interrupted"], False),
    ],
)
def test_a_job_is_failing_if_the_last_execution_that_tells_something_went_wrong(states, is_failing):
    health = health_of_job(a_job(started=30 * SECOND, states=states), LIVE)
    assert (health.state == "failing") == is_failing


def test_it_is_said_that_a_job_was_lost_with_its_runner():
    lost = Outcome("lost", NOW - HOUR, lost_at=NOW - 2 * MINUTE)
    failed = Outcome("failed", NOW - 2 * HOUR, SECOND)
    worked = Outcome("succeeded", NOW - 3 * HOUR, SECOND)
    once = a_job(every(DAY), HOUR, took=None)._replace(telling=lost, recent=[lost, worked])
    assert said(once) == "It was lost with its runner 2 min ago."
    twice = once._replace(recent=[lost, failed, worked])
    assert said(twice) == (
        "It failed 2 times in a row, first 2 h ago. It was lost with its runner 2 min ago."
    )


def test_it_is_said_since_when_and_how_often_a_job_fails():
    job = a_job(started=MINUTE, states=["failed", "succeeded", "failed", "interrupted", "lost"])
    assert said(job) == "It failed 2 times in a row, first 3 min ago."
    assert said(a_job(started=MINUTE, states=["succeeded", "failed"])) == "It failed 1 min ago."
    always = a_job(started=MINUTE, states=["failed"] * 50)
    assert said(always) == "It failed at least 50 times in a row, first 50 min ago or earlier."
    not_more = a_job(started=MINUTE, states=["failed"] * 49)
    assert said(not_more) == "It failed 49 times in a row, first 49 min ago."


@pytest.mark.parametrize(
    ("plan", "started", "is_late"),
    [
        # A grace of two minutes, twice the time after which a runner is lost.
        (every(MINUTE), 3 * MINUTE, False),
        (every(MINUTE), 3 * MINUTE + SECOND, True),
        (every(MINUTE, variance=MINUTE), 4 * MINUTE, False),
        (every(MINUTE, variance=MINUTE), 4 * MINUTE + SECOND, True),
        # A grace of a tenth of the period.
        (every(10 * HOUR), 11 * HOUR, False),
        (every(10 * HOUR), 11 * HOUR + SECOND, True),
    ],
)
def test_an_interval_job_is_late_when_its_start_is_overdue_by_more_than_the_grace(
    plan, started, is_late
):
    assert (state(a_job(plan, started)) == "late") == is_late


def test_a_job_that_took_longer_than_its_interval_is_due_when_it_has_ended():
    assert state(a_job(every(MINUTE), started=HOUR, took=HOUR - MINUTE)) == "ok"
    late = a_job(every(MINUTE), started=HOUR, took=HOUR - 3 * MINUTE)
    assert said(late) == "It was due 3 min ago at the latest, and has not started."


@pytest.mark.parametrize(("began", "is_late"), [(7 * MINUTE, False), (7 * MINUTE + SECOND, True)])
def test_a_job_that_never_started_counts_from_its_runners_start(began, is_late):
    job = a_job(every(HOUR, variance=MINUTE), runner_began_at=NOW - began)
    assert state(job) == ("late" if is_late else "never_run")


@pytest.mark.parametrize(("began", "is_late"), [(6 * MINUTE, False), (7 * MINUTE, True)])
def test_a_last_start_before_the_runners_start_counts_only_for_jobs_that_resume(began, is_late):
    fields = {"runner_began_at": NOW - began}
    assert (state(a_job(every(HOUR), 12 * HOUR, **fields)) == "late") == is_late
    assert state(a_job(every(DAY, resume=True), 12 * HOUR, **fields)) == "ok"


@pytest.mark.parametrize(
    ("time", "variance", "is_late"),
    [
        ("11:00", NONE, False),  # the grace is a tenth of a day
        ("09:37", NONE, False),
        ("09:35", NONE, True),
        ("09:35", 10 * MINUTE, False),
    ],
)
def test_a_clock_job_is_late_when_its_time_has_passed_by_more_than_its_grace(
    time, variance, is_late
):
    job = a_job(by_clock(time, variance=variance), started=25 * HOUR, runner_began_at=NOW - 3 * DAY)
    assert (state(job) == "late") == is_late


def test_a_clock_jobs_grace_is_by_its_next_period():
    job = a_job(by_clock("11:50", "11:55"), started=13 * HOUR, runner_began_at=NOW - 3 * DAY)
    assert state(job) == "late"


def test_a_job_that_is_running_is_not_late():
    job = a_job(every(MINUTE), HOUR, took=None, running=[Running(NOW - 5 * MINUTE)])
    assert state(job) == "ok"


def test_a_registered_job_that_no_live_runner_has_is_late():
    job = a_job(started=MINUTE, runner_began_at=None)
    assert said(job) == "No live runner has it."
    ahead = a_job(by_clock("13:00"), started=MINUTE, runner_began_at=None)
    assert said(ahead).startswith("No live runner has it: it will not start at 2026-07-01 13:00:00")
    overdue = a_job(started=HOUR, runner_began_at=None)
    assert said(overdue) == "No live runner has it; it was due 59 min ago."
    assert state(a_job(started=HOUR, runner_began_at=None, is_registered=False)) == "ok"


def test_on_a_timer_a_job_is_late_when_a_run_should_have_started_it():
    last = a_runner("once", last_heartbeat_at=NOW - MINUTE, stopped_at=NOW - MINUTE)
    site = a_site(once=OnceFacts(last, 10 * MINUTE, is_late=False))
    job = {"plan": every(MINUTE), "runner_began_at": None}
    assert state(a_job(started=13 * MINUTE, **job), site) == "ok"
    assert state(a_job(started=13 * MINUTE + SECOND, **job), site) == "late"
    assert health_of(site, [a_job(started=MINUTE, **job)]).is_well


@pytest.mark.parametrize(
    ("fields", "took", "is_stuck"),
    [
        ({"timeout": 5 * MINUTE}, 5 * MINUTE, False),
        ({"timeout": 5 * MINUTE}, 5 * MINUTE + SECOND, True),
        # Longer than its interval, and than four times the second that is typical.
        ({"states": ["succeeded"] * 3}, MINUTE, False),
        ({"states": ["succeeded"] * 3}, MINUTE + SECOND, True),
        ({"plan": every(SECOND), "states": ["succeeded"] * 3}, 4 * SECOND, False),
        ({"plan": every(SECOND), "states": ["succeeded"] * 3}, 5 * SECOND, True),
        # It never succeeded: its interval and ten minutes.
        ({"states": ["interrupted"]}, 11 * MINUTE, False),
        ({"states": ["interrupted"]}, 11 * MINUTE + SECOND, True),
        ({"plan": by_clock("11:00"), "states": ["succeeded"]}, HOUR, False),
        ({"plan": by_clock("11:00"), "states": ["succeeded"]}, 25 * HOUR, True),
    ],
)
def test_a_job_is_stuck_when_it_runs_for_too_long(fields, took, is_stuck):
    job = a_job(**{"started": took, "took": None, "running": [Running(NOW - took)], **fields})
    assert (state(job) == "stuck") == is_stuck


def test_of_several_executions_the_oldest_says_whether_a_job_is_stuck():
    running = [Running(NOW - SECOND, 8), Running(NOW - HOUR, 7)]
    job = a_job(started=SECOND, took=None, running=running, states=["succeeded", "running"])
    (finding,) = health_of_job(job, LIVE).findings
    assert (finding.kind, finding.execution) == ("stuck", 7)
    assert sentence_of(finding) == "It has been running for 1 h; typical is 1 s."


def test_never_run_and_gone_are_no_findings():
    never = a_job(every(HOUR), runner_began_at=NOW - MINUTE)
    gone = a_job(
        started=9 * DAY, states=["failed"], is_gone=True, is_registered=False, runner_began_at=None
    )
    assert [state(never), state(gone)] == ["never_run", "gone"]
    assert health_of(LIVE, [never, gone]).is_well


def test_a_job_can_have_two_findings_and_its_state_is_the_worst():
    health = health_of_job(a_job(started=HOUR, states=["failed"]), LIVE)
    assert [finding.kind for finding in health.findings] == ["late", "failing"]
    assert health.state == "late"
    assert health.is_("failing")


def test_jobs_that_need_attention_come_first():
    jobs = [
        a_job(started=SECOND, states=["succeeded"])._replace(name="ok"),
        a_job(every(HOUR), runner_began_at=NOW - MINUTE)._replace(name="new"),
        a_job(started=SECOND, states=["failed"])._replace(name="failing"),
        a_job(started=HOUR)._replace(name="late"),
        a_job(started=HOUR, took=None, running=[Running(NOW - HOUR)])._replace(name="stuck"),
        a_job(is_gone=True)._replace(name="gone"),
    ]
    health = health_of(LIVE, jobs)
    names = [job.facts.name for job in health.jobs]
    assert names == ["stuck", "late", "failing", "ok", "new", "gone"]
    assert [finding.job for finding in health.findings] == ["stuck", "late", "failing"]
    assert len(health.needing_attention) == 3


def test_a_site_is_down_when_no_runner_is_alive_and_that_is_one_event():
    job = a_job(started=HOUR, runner_began_at=None, runners=0)
    health = health_of(DOWN, [job, job])
    (finding,) = health.findings
    assert sentence_of(finding) == (
        "No runner is alive, so no jobs are run. "
        "The last one, web-1 (4711), stopped 1 h ago (stopped by SIGTERM)."
    )
    assert len(health.needing_attention) == 2


@pytest.mark.parametrize(
    ("last", "words", "advice"),
    [
        (None, "There has been no runner yet", "started with"),
        (a_runner(last_heartbeat_at=NOW - HOUR), "was last heard of 1 h ago.", "killed"),
        (an_end(HOUR, "signal", ""), "(stopped by a signal)", "Start"),
        (an_end(HOUR), "(shop.jobs.loops ran over its timeout of 5 s)", "Look at its log"),
    ],
)
def test_it_is_said_why_the_last_runner_ended_and_what_to_do(last, words, advice):
    (finding,) = health_of(a_site(last=last), []).findings
    assert words in sentence_of(finding)
    assert advice in advice_on(finding)
    assert "web-1" not in sentence_of(finding.without_details())
    assert "loops" not in sentence_of(finding.without_errors())


def test_a_site_on_a_timer_is_down_when_the_next_run_is_late():
    last = a_runner("once", started_at=NOW - HOUR, stopped_at=NOW - HOUR)
    assert health_of(a_site(once=OnceFacts(last, 2 * HOUR, is_late=False)), []).is_well
    (finding,) = health_of(a_site(once=OnceFacts(last, MINUTE, is_late=True)), []).findings
    assert finding.kind == "down"
    assert "The last run was 1 h ago; the next one was expected within 1 min." in sentence_of(
        finding
    )


def test_a_site_without_jobs_needs_no_runner():
    assert health_of(a_site(has_jobs=False), []).is_well


@pytest.mark.parametrize(
    ("ends", "is_restarting"),
    [
        ([MINUTE, 2 * MINUTE], False),
        ([MINUTE, 2 * MINUTE, 10 * MINUTE], True),
        ([MINUTE, 2 * MINUTE, 10 * MINUTE + SECOND], False),
    ],
)
def test_a_site_is_restarting_when_three_runners_ended_with_an_error_in_ten_minutes(
    ends, is_restarting
):
    site = a_site(a_runner(), ended_with_error=[an_end(ago) for ago in ends])
    assert [one.kind for one in health_of(site, []).findings] == ["restarting"] * is_restarting


def test_a_crash_loop_is_one_event_also_while_no_runner_is_alive():
    ends = [an_end(number * MINUTE) for number in range(1, 6)]
    (finding,) = health_of(a_site(a_runner(), ended_with_error=ends), []).findings
    assert sentence_of(finding) == (
        "5 runners ended with an error in the last 10 minutes: "
        "shop.jobs.loops ran over its timeout of 5 s."
    )
    (finding,) = health_of(a_site(last=ends[0], ended_with_error=ends), []).findings
    assert sentence_of(finding).endswith("5 s. No runner is alive, so no jobs are run.")


@pytest.mark.parametrize(
    ("sharing", "jobs", "words"),
    [
        (2, 8, "2 runners run the same 8 jobs: each of them runs twice."),
        (2, 1, "2 runners run the same job: it runs twice."),
        (3, 8, "3 runners run the same 8 jobs: each of them runs 3 times."),
    ],
)
def test_several_runners_with_the_same_jobs_are_a_warning_only(sharing, jobs, words):
    health = health_of(a_site(a_runner(), a_runner(), shared_jobs=jobs, sharing=sharing), [])
    assert health.is_well
    assert [sentence_of(finding) for finding in health.warnings] == [words]
