from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from quick_jobs.admin.page_clock import PageClock
from quick_jobs.admin.recent.queries import recent_executions
from quick_jobs.databases import database_now
from quick_jobs.databases.timestamps import as_stored
from quick_jobs.health.reading import read_health
from quick_jobs.models import Job, JobExecution, JobRunner, lost_before

pytestmark = pytest.mark.django_db

STOPPED, ALIVE, LOST = "stopped", "alive", "lost"


def ago(seconds):
    """Return when that was by the database's clock."""
    return as_stored(database_now("default") - dt.timedelta(seconds=seconds))


def a_runner(heartbeat=0, stopped=None):
    """Return a runner whose last heartbeat was so many seconds ago."""
    return JobRunner.objects.create(
        hostname="worker-1.example.org",
        pid=4711,
        started_at=ago(1000),
        last_heartbeat_at=ago(heartbeat),
        stopped_at=None if stopped is None else ago(stopped),
    )


def a_job(name="shop.jobs.tidy"):
    return Job.objects.get_or_create(name=name)[0]


def an_execution(runner, outcome=JobExecution.RUNNING, **fields):
    return JobExecution.objects.create(
        job=a_job(), runner=runner, started_at=ago(100), outcome=outcome, **fields
    )


def states_of(runner):
    queries = {STOPPED: "stopped", ALIVE: "alive", LOST: "lost"}
    return {
        state for state, query in queries.items() if runner in getattr(JobRunner.objects, query)()
    }


@pytest.mark.parametrize(
    ("heartbeat", "stopped", "state"),
    [
        (0, None, ALIVE),
        (30, None, ALIVE),
        (90, None, LOST),
        (1_000_000, None, LOST),
        (0, 0, STOPPED),
        (90, 90, STOPPED),
    ],
)
def test_a_runner_is_in_one_state(heartbeat, stopped, state):
    """With QUICK_JOBS_LOST_AFTER as it is by default, 60 seconds."""
    assert states_of(a_runner(heartbeat, stopped)) == {state}


@pytest.mark.parametrize(("lost_after", "state"), [(20, LOST), (300, ALIVE)])
def test_the_setting_says_when_a_runner_is_lost(settings, lost_after, state):
    settings.QUICK_JOBS_LOST_AFTER = lost_after
    assert states_of(a_runner(heartbeat=30)) == {state}


def test_a_heartbeat_from_the_future_is_no_reason_to_be_lost():
    assert states_of(a_runner(heartbeat=-3600)) == {ALIVE}


@pytest.mark.parametrize("hours", [-24, 24])
def test_the_clock_of_this_process_does_not_matter(monkeypatch, hours):
    wrong = timezone.now() + dt.timedelta(hours=hours)
    monkeypatch.setattr(timezone, "now", lambda: wrong)
    monkeypatch.setattr("time.time", wrong.timestamp)
    assert states_of(a_runner(heartbeat=30)) == {ALIVE}
    assert states_of(a_runner(heartbeat=90)) == {LOST}


@pytest.mark.parametrize("time_zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_runners_are_judged_without_time_zones_too(settings, time_zone):
    settings.USE_TZ = False
    settings.TIME_ZONE = time_zone
    assert states_of(a_runner(heartbeat=30)) == {ALIVE}
    assert states_of(a_runner(heartbeat=90)) == {LOST}


@pytest.mark.parametrize(
    ("heartbeat", "stopped", "running", "lost"),
    [(30, None, True, False), (90, None, False, True), (90, 90, False, False)],
    ids=[ALIVE, LOST, STOPPED],
)
def test_a_running_execution_is_running_or_lost_with_its_runner(heartbeat, stopped, running, lost):
    execution = an_execution(a_runner(heartbeat, stopped))
    assert list(JobExecution.objects.running()) == [execution] * running
    assert list(JobExecution.objects.lost()) == [execution] * lost


@pytest.mark.parametrize("heartbeat", [30, 90])
@pytest.mark.parametrize(
    "outcome", [value for value, _ in JobExecution.OUTCOMES if value != JobExecution.RUNNING]
)
def test_an_execution_that_has_ended_is_neither_running_nor_lost(heartbeat, outcome):
    an_execution(a_runner(heartbeat), outcome)
    assert not JobExecution.objects.running().exists()
    assert not JobExecution.objects.lost().exists()


def test_when_the_heartbeat_comes_back_so_do_the_executions():
    runner = a_runner(heartbeat=90)
    execution = an_execution(runner)
    assert list(JobExecution.objects.lost()) == [execution]
    JobRunner.objects.filter(pk=runner.pk).update(last_heartbeat_at=ago(0))
    assert list(JobExecution.objects.running()) == [execution]
    assert not JobExecution.objects.lost().exists()


def test_the_queries_can_be_combined_with_others():
    execution = an_execution(a_runner())
    an_execution(a_runner(heartbeat=90))
    assert execution.job.executions.running().get() == execution
    assert execution.runner.executions.filter(job=execution.job).running().get() == execution
    assert JobExecution.objects.lost().exclude(pk=execution.pk).count() == 1


def test_names_are_enough_to_make_rows():
    """Every field but these has a default."""
    now = as_stored(database_now("default"))
    job = Job.objects.create(name="shop.jobs.tidy")
    runner = JobRunner.objects.create(hostname="host", pid=1, started_at=now, last_heartbeat_at=now)
    execution = JobExecution.objects.create(job=job, runner=runner, started_at=now)
    for row in (job, runner, execution):
        row.refresh_from_db()
        row.full_clean()
    assert (job.interval, job.variance, job.timeout) == (dt.timedelta(0), dt.timedelta(0), None)
    assert (runner.stopped_at, runner.stop_reason, runner.dropped_executions) == (None, "", 0)
    assert (execution.outcome, execution.finished_at) == ("running", None)
    assert (execution.error, execution.traceback) == ("", "")


def test_the_outcomes_are_those_promised():
    assert [value for value, _ in JobExecution.OUTCOMES] == [
        "running",
        "succeeded",
        "failed",
        "interrupted",
        "timed_out",
        "abandoned",
    ]


def test_a_job_is_on_record_once():
    a_job("shop.jobs.tidy")
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(name="shop.jobs.tidy")


def test_an_execution_is_on_record_once():
    runner, other = a_runner(), a_runner()
    an_execution(runner, number=1)
    an_execution(runner, number=2)
    an_execution(other, number=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        an_execution(runner, number=1)


def test_executions_without_a_number_may_be_many():
    runner = a_runner()
    an_execution(runner)
    an_execution(runner)
    assert runner.executions.count() == 2


def test_runners_have_keys_of_their_own():
    assert a_runner().key != a_runner().key


def test_rows_are_named_for_people():
    moment = as_stored(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc))
    runner = a_runner()
    execution = JobExecution(job=a_job(), runner=runner, started_at=moment)
    assert str(execution.job) == "shop.jobs.tidy"
    assert str(runner) == "worker-1.example.org (4711)"
    assert str(execution) == "shop.jobs.tidy 2026-01-02 03:04:05"


def test_a_name_of_255_characters_and_a_large_text_are_stored_whole():
    job = a_job("j" * 255)
    execution = an_execution(a_runner(), error="€" * 255, traceback="🐍" * 100_000)
    job.refresh_from_db()
    execution.refresh_from_db()
    assert job.name == "j" * 255
    assert execution.error == "€" * 255
    assert execution.traceback == "🐍" * 100_000


@pytest.mark.parametrize(("heartbeat", "stopped"), [(0, None), (61, None), (59, None), (90, 90)])
def test_a_runner_has_the_same_state_alone_as_in_a_query(heartbeat, stopped):
    runner, before = a_runner(heartbeat, stopped), ago(60)
    assert runner.is_lost(before) == JobRunner.objects.lost(before).exists()
    assert runner.is_alive(before) == JobRunner.objects.alive(before).exists()


def test_a_heartbeat_of_the_very_moment_is_not_too_old():
    runner = a_runner()
    assert runner.is_alive(runner.last_heartbeat_at)
    assert JobRunner.objects.alive(runner.last_heartbeat_at).exists()


@pytest.mark.parametrize(
    ("outcomes", "is_failing"),
    [
        ([], False),
        (["failed", "succeeded"], False),
        (["succeeded", "failed"], True),
        (["succeeded", "timed_out"], True),
        (["succeeded", "abandoned"], False),
        (["succeeded", "interrupted"], False),
        (["failed", "interrupted"], True),
        (["failed", "abandoned", "interrupted", "abandoned"], True),
        (["abandoned"], False),
        (["failed", "running"], True),
        (["succeeded", "running"], False),
        (["succeeded", "lost"], True),
        (["lost", "succeeded"], False),
        (["lost", "interrupted", "running"], True),
    ],
)
def test_a_job_is_failing_if_its_last_execution_that_ended_or_is_lost_went_wrong(
    outcomes, is_failing
):
    job = a_job()
    alive, lost = a_runner(), a_runner(heartbeat=3600)
    alive.jobs.add(job)
    for number, state in enumerate(outcomes):
        JobExecution.objects.create(
            job=job,
            runner=lost if state == "lost" else alive,
            started_at=ago(100 - number),
            outcome="running" if state == "lost" else state,
        )
    (health,) = read_health().jobs
    assert health.is_("failing") == is_failing
    clock = PageClock(ago(0), lost_before(dt.datetime.now(dt.timezone.utc)))
    recent = recent_executions("job", [job], 50, clock)[job.pk]
    assert (recent.failing_since is not None) == is_failing
