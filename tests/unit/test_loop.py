"""The runner's loop: what it starts, when, and how it comes to its end."""

import datetime as dt
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError

import quick_jobs
from quick_jobs.history import NoHistory, Recorder
from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryRefused,
    StartsRecorded,
    ThreadDied,
)
from quick_jobs.history.storage import Storage
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import Runner, RunnerOptions, loop
from quick_jobs.runner.shutdown import Phase
from quick_jobs.signals import execution_finished, execution_started, runner_stopped
from tests.records import an_identity
from tests.site import wait_until

OPTIONS = RunnerOptions(
    stop_after=None,
    stop_timeout=5.0,
    start_record_timeout=1.0,
    heartbeat_interval=15.0,
    prunes=False,
    max_traceback=65536,
)

NEVER_BEGUN = "the runner stopped before the job began"


class Clock:
    """The real monotonic clock, put forward as the test likes."""

    def __init__(self):
        self._ahead = 0.0

    def __call__(self):
        return time.monotonic() + self._ahead

    def advance(self, seconds):
        self._ahead += seconds


class FakeHistory:
    """Remembers what it is told, and answers as the test likes."""

    is_kept = True

    def __init__(self):
        self.records = []
        self.beats = []
        self.looks = []
        self.prunings = 0
        self.stop_info = None
        self.has_given_up = False
        self.confirms = True  # the starts it is given, at once
        self.closes = True  # when it is asked to
        self.takes_back = True  # a start that is not on record yet
        self.waits_since = None  # for the database
        self.broken_off = 0
        self.previous_successes = {}
        self.can_be_broken_off = True

    def start(self, tell):
        self.tell = tell

    def put(self, records):
        self.records += records
        if self.confirms:
            self.tell(StartsRecorded([record.number for record in records if not record.is_end]))

    def forget(self, number):
        if self.takes_back:
            self.records = [record for record in self.records if record.number != number]
        return self.takes_back

    def beat(self, now, looks=()):
        self.beats.append(now)
        self.looks += looks

    def prune(self):
        self.prunings += 1

    def break_off(self):
        self.broken_off += self.can_be_broken_off
        return self.can_be_broken_off

    def previous_success(self, job_name, known):
        return self.previous_successes.get(job_name)

    def stop(self, stop_info):
        self.stop_info = stop_info
        if self.closes:
            self.tell(HistoryClosed())

    def give_up(self):
        self.has_given_up = True

    @property
    def starts(self):
        return [record for record in self.records if not record.is_end]

    @property
    def ends(self):
        return [record for record in self.records if record.is_end]

    @property
    def outcomes(self):
        return [record.outcome for record in self.ends]


class Bench:
    """A runner whose steps the test takes, with a history and a clock that the test holds."""

    def __init__(self):
        self.history = FakeHistory()
        self.clock = Clock()
        self.chance = 0.0
        self._runners = []
        self._blocked = []

    def runner(self, *jobs, **options):
        runner = Runner(
            jobs,
            self.history,
            OPTIONS._replace(**options),
            clock=self.clock,
            random=lambda: self.chance,
        )
        self.history.start(runner._inbox.put)
        self._runners.append(runner)
        return runner

    def blocking_job(self, **schedule):
        """Return a job that runs until the event ``let_go`` is set, and events of its life."""
        job = BlockingJob(**schedule)
        self._blocked.append(job)
        return job

    def end(self):
        for job in self._blocked:
            job.let_go.set()
        self.history.closes = True
        for runner in self._runners:
            if not self.history.is_kept or not self.history.stop_info:
                runner.request_stop("the end of the test")
                runner.run()
        wait_until(lambda: not workers())


class BlockingJob(RegisteredJob):
    """Runs until the event ``let_go`` is set; tells when it has been entered."""

    def __init__(self, **schedule):
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.runs = 0

        def blocks(env):
            self.runs += 1
            self.env = env
            self.entered.set()
            self.let_go.wait()

        super().__init__(blocks, **{"interval": timedelta(hours=1), **schedule})


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.end()


def a_job(func, **schedule):
    return RegisteredJob(func, **{"interval": timedelta(hours=1), **schedule})


def drive(runner, condition):
    """Take steps until ``condition()``; one that is not met is ended by pytest's timeout."""
    while not condition():
        runner.step()


def workers():
    return [thread for thread in threading.enumerate() if "quick_jobs worker" in thread.name]


# Starting.


def test_a_job_is_entered_when_its_start_is_on_record_and_not_before(bench):
    bench.history.confirms = False
    job = bench.blocking_job()
    runner = bench.runner(job)
    runner.step()
    assert [record.number for record in bench.history.starts] == [1]
    assert not workers()
    bench.history.tell(StartsRecorded([1]))
    runner.step()
    assert job.entered.wait(20)


def test_what_is_due_at_the_same_time_is_put_on_record_together(bench):
    runner = bench.runner(*(a_job(lambda env: None) for _ in range(100)))
    put = bench.history.put
    sizes = []
    bench.history.put = lambda records: [sizes.append(len(records)), put(records)]
    runner.step()
    assert sizes == [100]
    drive(runner, lambda: len(bench.history.ends) == 100)
    assert sorted(record.number for record in bench.history.ends) == list(range(1, 101))


def test_a_job_whose_start_is_not_on_record_in_time_is_started_all_the_same(bench):
    bench.history.confirms = False
    job = bench.blocking_job()
    runner = bench.runner(job)
    runner.step()
    bench.clock.advance(OPTIONS.start_record_timeout)
    runner.step()
    assert job.entered.wait(20)


def test_once_the_database_was_late_nobody_waits_until_it_answers_again(bench):
    bench.history.confirms = False
    minute = timedelta(minutes=1)
    first, second, third = (
        bench.blocking_job(interval=minute, variance=number * minute) for number in range(3)
    )
    bench.chance = 1.0
    runner = bench.runner(first, second, third)
    runner.step()
    bench.clock.advance(1)
    runner.step()
    bench.clock.advance(60)
    drive(runner, second.entered.is_set)
    bench.history.tell(StartsRecorded([1, 2]))
    bench.clock.advance(60)
    before = len(workers())
    runner.step()
    assert len(bench.history.starts) == 3
    assert not third.entered.is_set()
    assert len(workers()) == before
    bench.history.tell(StartsRecorded([3]))
    drive(runner, third.entered.is_set)


def more_jobs_than_can_wait(bench):
    """Return a runner that all jobs are due in at once, and how many of them wait at first."""
    bench.history.confirms = False
    runner = bench.runner(*(a_job(lambda env: None) for _ in range(1200)))
    runner.step()
    return runner, len(bench.history.starts)


def test_of_many_jobs_some_wait_for_their_records_and_the_others_for_room(bench):
    runner, at_once = more_jobs_than_can_wait(bench)
    assert at_once == 500
    assert runner._seconds_to_wait() > 0  # for there is nothing to do until the history answers
    bench.history.tell(StartsRecorded(range(1, 101)))
    runner.step()
    assert [record.number for record in bench.history.starts] == list(range(1, at_once + 101))
    bench.history.confirms = True
    bench.history.tell(StartsRecorded(range(101, at_once + 101)))
    drive(runner, lambda: len(bench.history.ends) == 1200)


def test_no_job_waits_longer_than_the_timeout_for_room_and_for_its_record(bench):
    runner, at_once = more_jobs_than_can_wait(bench)
    bench.clock.advance(0.6)
    bench.history.tell(StartsRecorded(range(1, at_once + 1)))
    runner.step()
    assert len(bench.history.starts) == 2 * at_once
    bench.clock.advance(0.4)
    drive(runner, lambda: len(bench.history.ends) == 1200)


def test_when_all_have_begun_the_next_have_the_whole_timeout_again(bench):
    runner, at_once = more_jobs_than_can_wait(bench)
    bench.history.confirms = True
    bench.history.tell(StartsRecorded(range(1, at_once + 1)))
    drive(runner, lambda: len(bench.history.ends) == 1200)
    bench.history.confirms = False
    bench.clock.advance(3600)
    runner.step()
    assert len(bench.history.starts) == 1200 + at_once
    bench.clock.advance(0.9)
    runner.step()
    assert len(bench.history.starts) == 1200 + at_once


def test_a_database_that_is_away_has_the_waiting_started_at_once(bench):
    bench.history.confirms = False
    jobs = [bench.blocking_job() for _ in range(2)]
    runner = bench.runner(*jobs)
    runner.step()
    bench.history.tell(HistoryAway())
    drive(runner, lambda: all(job.entered.is_set() for job in jobs))


@pytest.mark.parametrize("answers", [False, True])
def test_with_a_start_record_timeout_of_zero_nobody_waits(bench, answers):
    bench.history.confirms = False
    job = bench.blocking_job()
    runner = bench.runner(job, start_record_timeout=0.0)
    if answers:
        bench.history.tell(StartsRecorded([]))
    runner.step()
    assert job.entered.wait(20)


def test_without_a_history_nobody_waits_and_nothing_is_asked_of_it(bench):
    bench.history = NoHistory()
    job = bench.blocking_job()
    runner = bench.runner(job, prunes=True)
    runner.step()
    assert job.entered.wait(20)
    bench.clock.advance(100)
    job.let_go.set()
    runner.step()
    runner.request_stop("SIGTERM")
    assert runner.run() == 0


def test_a_job_is_started_again_after_its_interval_and_not_before(bench):
    runner = bench.runner(a_job(lambda env: None, interval=timedelta(minutes=1)))
    drive(runner, lambda: bench.history.ends)
    bench.clock.advance(55)
    bench.history.tell(StartsRecorded([]))  # else the step would wait
    runner.step()
    assert len(bench.history.starts) == 1
    bench.clock.advance(5)
    drive(runner, lambda: len(bench.history.ends) == 2)


def test_a_job_that_requests_it_is_run_again_at_once(bench):
    def work(env):
        if len(bench.history.starts) < 3:
            env.request_rerun()

    runner = bench.runner(a_job(work))
    drive(runner, lambda: len(bench.history.ends) == 3)
    assert [record.number for record in bench.history.ends] == [1, 2, 3]


def test_a_job_that_takes_longer_than_its_interval_is_run_once_at_a_time(bench):
    job = bench.blocking_job(interval=timedelta(seconds=1))
    runner = bench.runner(job)
    drive(runner, job.entered.is_set)
    for _ in range(5):
        bench.clock.advance(1)
        bench.history.tell(StartsRecorded([]))
        runner.step()
    assert job.runs == 1
    job.let_go.set()
    drive(runner, lambda: job.runs == 2)
    assert len(bench.history.starts) == 2


def test_ends_do_not_wake_the_loop_while_many_wait_for_a_thread(bench, monkeypatch):
    """To be woken for each of them would interrupt the workers."""
    runner = bench.runner(*(a_job(lambda env: None) for _ in range(400)))
    wake_up, wakes = runner._inbox._mailbox.wake, []
    monkeypatch.setattr(runner._inbox._mailbox, "wake", lambda: wakes.append(wake_up()))
    drive(runner, lambda: len(bench.history.ends) == 400)
    assert len(wakes) < 200


def test_jobs_do_not_wait_for_each_other(bench):
    """Fifty jobs that all wait until the last of them has begun."""
    barrier = threading.Barrier(50)
    runner = bench.runner(*(a_job(lambda env: barrier.wait(60)) for _ in range(50)))
    drive(runner, lambda: len(bench.history.ends) == 50)
    assert set(bench.history.outcomes) == {JobExecution.SUCCEEDED}


def test_an_interval_for_ever_is_possible(bench):
    runner = bench.runner(a_job(lambda env: None, interval=timedelta.max))
    drive(runner, lambda: bench.history.ends)
    bench.history.is_kept = False  # no heartbeat ends the step
    runner.request_stop("SIGTERM")
    runner.step()
    assert runner.run() == 0


# What is put on record.


def test_an_end_has_the_number_of_its_start(bench):
    def fails(env):
        raise KeyError("nothing there")

    runner = bench.runner(a_job(fails))
    drive(runner, lambda: bench.history.ends)
    (start,) = bench.history.starts
    (end,) = bench.history.ends
    assert (start.number, start.job, start.outcome) == (end.number, end.job, JobExecution.RUNNING)
    assert (end.outcome, end.error) == (JobExecution.FAILED, "KeyError: 'nothing there'")
    assert "in fails\n" in end.traceback
    assert end.finished_at == pytest.approx(end.started_at + end.duration)
    assert end.started_at == pytest.approx(time.time(), abs=60)


def test_lateness_is_how_long_after_it_was_due_a_job_was_entered(bench):
    bench.clock.advance(-7)
    runner = bench.runner(a_job(lambda env: None))
    bench.clock.advance(7)
    drive(runner, lambda: bench.history.ends)
    assert 7 <= bench.history.ends[0].lateness < 60


# The heartbeat and other housekeeping.


def test_the_heart_beats_in_its_interval_also_while_a_job_runs_for_long(bench):
    job = bench.blocking_job()
    runner = bench.runner(job)
    drive(runner, workers)  # and no step more, which might wait for the first heartbeat
    assert job.entered.wait(20)
    assert not bench.history.beats
    for beats in range(1, 4):
        bench.clock.advance(15)
        runner.step()
        assert len(bench.history.beats) == beats
    assert bench.history.beats[-1] == pytest.approx(bench.clock(), abs=10)


def test_the_heart_beats_while_the_runner_waits_for_jobs_to_end(bench):
    job = bench.blocking_job()
    runner = bench.runner(job, stop_timeout=100.0)
    drive(runner, workers)  # and no step more, as above
    assert job.entered.wait(20)
    runner.request_stop("SIGTERM")
    bench.clock.advance(15)
    runner.step()
    assert len(bench.history.beats) == 1


def test_a_runner_with_a_retention_prunes_soon_and_then_about_once_an_hour(bench):
    runner = bench.runner(prunes=True, heartbeat_interval=10**6)
    for seconds, prunings in ((4, 0), (2, 1), (3000, 1), (300, 2), (3300, 3)):
        bench.clock.advance(seconds)
        bench.history.tell(StartsRecorded([]))
        runner.step()
        assert bench.history.prunings == prunings


def test_a_runner_without_a_retention_does_not_prune(bench):
    runner = bench.runner()
    bench.clock.advance(10**5)
    runner.step()
    assert bench.history.beats
    assert not bench.history.prunings


# Timeouts.


def test_a_job_over_its_timeout_is_put_on_record_with_where_it_hangs(bench):
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job)
    began = bench.clock()
    drive(runner, job.entered.is_set)
    bench.clock.advance(90)
    drive(runner, lambda: bench.history.ends)
    elapsed = bench.clock() - began
    (end,) = bench.history.ends
    assert end.outcome == JobExecution.TIMED_OUT
    assert end.error == "ran over its timeout of 1 min 30 s"
    assert 90 <= end.duration <= elapsed
    assert "Stack (most recent call last):\n" in end.traceback
    assert "in blocks\n    self.let_go.wait()" in end.traceback
    package = os.path.dirname(quick_jobs.__file__) + os.sep
    assert os.path.abspath(loop.__file__).startswith(package)  # or this would say nothing
    assert package not in end.traceback


def hide(text):
    return f"({len(text)} characters)"


def test_a_stack_and_why_a_runner_stops_are_filtered(bench, settings):
    settings.QUICK_JOBS_LOG_FILTER = f"{__name__}.hide"
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job)
    drive(runner, job.entered.is_set)
    bench.clock.advance(90)
    drive(runner, lambda: job.env.is_stopping)
    job.let_go.set()
    assert runner.run() == 1
    [end] = bench.history.ends
    assert re.fullmatch(r"\(\d+ characters\)", end.traceback)
    assert re.fullmatch(r"\(\d+ characters\)", bench.history.stop_info.detail)


def test_a_job_over_its_timeout_stops_the_runner_with_exit_status_1(bench):
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job)
    drive(runner, job.entered.is_set)
    bench.clock.advance(90)
    drive(runner, lambda: job.env.is_stopping)
    job.let_go.set()
    assert runner.run() == 1
    assert bench.history.stop_info.reason == JobRunner.TIMED_OUT
    assert bench.history.stop_info.detail == f"{job.name} ran over its timeout of 1 min 30 s"
    assert bench.history.outcomes == [JobExecution.TIMED_OUT]


def test_a_job_over_its_timeout_that_does_not_end_is_named_when_the_runner_leaves(bench, caplog):
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job, stop_timeout=7.0)
    drive(runner, job.entered.is_set)
    bench.clock.advance(90)
    drive(runner, lambda: job.env.is_stopping)
    bench.clock.advance(7)
    assert runner.run() == 1
    assert f"{job.name}, which ran over its timeout, has not ended since" in caplog.messages
    assert bench.history.outcomes == [JobExecution.TIMED_OUT]


def test_a_job_that_ended_too_late_before_the_loop_noticed_is_timed_out_as_well(
    bench, blocking_receiver
):
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job)
    drive(runner, job.entered.is_set)
    bench.clock.advance(100)  # the loop takes no step meanwhile
    job.let_go.set()
    assert blocking_receiver.entered.wait(20)  # by now the job has ended
    blocking_receiver.let_go.set()
    assert runner.run() == 1
    (end,) = bench.history.ends
    assert (end.outcome, end.error) == (
        JobExecution.TIMED_OUT,
        "ran over its timeout of 1 min 30 s",
    )
    assert end.duration >= 100
    assert bench.history.stop_info.reason == JobRunner.TIMED_OUT


def test_a_timeout_while_the_runner_stops_makes_its_exit_status_1(bench):
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job, stop_timeout=1000.0)
    drive(runner, job.entered.is_set)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: job.env.is_stopping)
    bench.clock.advance(90)
    drive(runner, lambda: bench.history.ends)
    job.let_go.set()
    assert runner.run() == 1
    assert bench.history.stop_info.reason == JobRunner.SIGNAL


# Stopping.


def test_a_signal_stops_the_runner_when_its_jobs_have_ended(bench):
    job = bench.blocking_job()
    runner = bench.runner(job)
    drive(runner, job.entered.is_set)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: job.env.is_stopping)
    assert bench.history.stop_info is None
    job.let_go.set()
    assert runner.run() == 0
    assert bench.history.outcomes == [JobExecution.SUCCEEDED]
    assert bench.history.stop_info.reason == JobRunner.SIGNAL
    assert bench.history.stop_info.detail == "SIGTERM"
    assert bench.history.stop_info.stopped_at == pytest.approx(time.time(), abs=60)


def test_a_runner_that_stops_starts_nothing(bench):
    job = bench.blocking_job()
    other = a_job(lambda env: None, interval=timedelta(seconds=1))
    runner = bench.runner(job, other, stop_timeout=1000.0)
    drive(runner, lambda: job.entered.is_set() and bench.history.ends)
    runner.request_stop("SIGTERM")
    bench.clock.advance(10)
    runner.step()
    assert len(bench.history.starts) == 2


def test_jobs_that_do_not_end_in_time_are_left_with_where_they_are(bench, caplog):
    jobs = [bench.blocking_job() for _ in range(2)]
    runner = bench.runner(*jobs)
    drive(runner, lambda: all(job.entered.is_set() for job in jobs))
    runner.request_stop("SIGTERM")
    drive(runner, lambda: jobs[0].env.is_stopping)
    bench.clock.advance(5)
    assert runner.run() == 1
    assert bench.history.outcomes == [JobExecution.ABANDONED] * 2
    for end in bench.history.ends:
        assert end.error == "was still running 5 s after the runner was told to stop"
        assert "in blocks\n    self.let_go.wait()" in end.traceback
        assert end.duration >= 5
    assert bench.history.stop_info.reason == JobRunner.SIGNAL
    assert f"{jobs[0].name} was still running 5 s after" in caplog.text
    assert "in blocks" in caplog.text


def test_a_second_signal_leaves_the_jobs_at_once(bench, caplog):
    job = bench.blocking_job()
    runner = bench.runner(job, stop_timeout=1000.0)
    drive(runner, job.entered.is_set)
    runner.request_stop("SIGINT")
    runner.request_stop("SIGTERM")
    assert runner.run() == 1
    assert bench.history.outcomes == [JobExecution.ABANDONED]
    assert bench.history.stop_info.detail == "SIGINT"
    assert "SIGTERM again: stopping at once" in caplog.messages


def test_the_first_signal_to_a_runner_that_stops_by_itself_does_not_hurry_it(bench):
    job = bench.blocking_job()
    runner = bench.runner(job, stop_after=60.0)
    drive(runner, job.entered.is_set)
    bench.clock.advance(60)
    drive(runner, lambda: job.env.is_stopping)
    runner.request_stop("SIGTERM")
    runner.step()
    assert not bench.history.ends
    job.let_go.set()
    assert runner.run() == 0
    assert bench.history.stop_info.reason == JobRunner.STOP_AFTER


def test_a_job_that_waits_for_its_record_when_the_runner_stops_never_begins(bench):
    bench.history.confirms = False
    job = bench.blocking_job()
    runner = bench.runner(job)
    runner.step()
    runner.request_stop("SIGTERM")
    assert runner.run() == 0
    assert not job.entered.is_set()
    assert not bench.history.records


def test_a_job_that_never_begins_but_may_be_on_record_is_interrupted(bench):
    bench.history.confirms = bench.history.takes_back = False
    job = bench.blocking_job()
    runner = bench.runner(job)
    runner.step()
    runner.request_stop("SIGTERM")
    assert runner.run() == 0
    assert not job.entered.is_set()
    (end,) = bench.history.ends
    assert (end.number, end.outcome) == (1, JobExecution.INTERRUPTED)
    assert end.error == NEVER_BEGUN
    assert end.duration == 0


def test_a_job_for_which_no_thread_was_free_when_the_runner_stopped_is_interrupted(bench):
    first, second = bench.blocking_job(), bench.blocking_job()
    bench.history.confirms = False
    runner = bench.runner(first, second)
    runner.step()
    bench.history.tell(StartsRecorded([1]))
    drive(runner, first.entered.is_set)
    bench.history.tell(StartsRecorded([2]))  # there is one thread, which is at the first
    runner.request_stop("SIGTERM")
    runner.step()
    first.let_go.set()
    assert runner.run() == 0
    assert not second.entered.is_set()
    ends = {end.number: (end.outcome, end.error) for end in bench.history.ends}
    assert ends[2] == (JobExecution.INTERRUPTED, NEVER_BEGUN)


def test_a_job_not_yet_entered_when_the_runner_leaves_is_interrupted_not_abandoned(bench):
    first, second = bench.blocking_job(), bench.blocking_job()
    bench.history.confirms = False
    runner = bench.runner(first, second)
    runner.step()
    bench.history.tell(StartsRecorded([1]))
    drive(runner, first.entered.is_set)
    bench.history.tell(StartsRecorded([2]))
    runner.request_stop("SIGTERM")
    runner.request_stop("SIGTERM")
    runner.step()
    assert {end.number: end.outcome for end in bench.history.ends} == {
        1: JobExecution.ABANDONED,
        2: JobExecution.INTERRUPTED,
    }


def test_the_runner_stops_after_the_time_that_it_was_given(bench):
    runner = bench.runner(stop_after=3600.0)
    bench.clock.advance(3590)
    runner.step()
    assert bench.history.stop_info is None
    bench.clock.advance(10)
    assert runner.run() == 0
    assert bench.history.stop_info.reason == JobRunner.STOP_AFTER


def test_a_job_can_stop_the_runner_when_it_ends(bench):
    other = bench.blocking_job()

    def work(env):
        other.entered.wait()
        env.request_stop()
        assert not env.is_stopping

    job = a_job(work)
    runner = bench.runner(job, other)
    drive(runner, lambda: other.entered.is_set() and other.env.is_stopping)
    other.let_go.set()
    assert runner.run() == 0
    assert bench.history.stop_info.reason == JobRunner.REQUESTED
    assert bench.history.stop_info.detail == job.name
    assert bench.history.outcomes == [JobExecution.SUCCEEDED] * 2


def test_a_fatal_error_stops_the_runner_with_exit_status_1(bench):
    def fails(env):
        env.request_fatal_errors()
        raise KeyError("x")

    job = a_job(fails)
    assert bench.runner(job).run() == 1
    assert bench.history.stop_info.reason == JobRunner.FATAL_ERROR
    assert bench.history.stop_info.detail == f"{job.name}: KeyError: 'x'"


def test_errors_are_fatal_only_in_the_execution_that_asks_for_it(bench):
    def work(env):
        if len(bench.history.starts) == 1:
            env.request_fatal_errors()
            env.request_rerun()
        else:
            env.request_stop()
            raise KeyError("x")

    assert bench.runner(a_job(work)).run() == 0
    assert bench.history.outcomes == [JobExecution.SUCCEEDED, JobExecution.FAILED]


def test_a_job_that_lets_an_interruption_pass_has_no_fatal_error(bench):
    entered = threading.Event()

    def work(env):
        env.request_fatal_errors()
        entered.set()
        env.sleep(3600)

    runner = bench.runner(a_job(work))
    drive(runner, entered.is_set)
    runner.request_stop("SIGTERM")
    assert runner.run() == 0
    assert bench.history.outcomes == [JobExecution.INTERRUPTED]


def test_the_history_gets_the_rest_of_the_stop_timeout_to_close(bench):
    bench.history.closes = False
    runner = bench.runner(stop_timeout=5.0)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: bench.history.stop_info)
    bench.clock.advance(4.5)
    bench.history.tell(StartsRecorded([]))
    runner.step()
    assert not bench.history.has_given_up
    bench.clock.advance(0.5)
    assert runner.run() == 0
    assert bench.history.has_given_up


def test_the_history_gets_a_second_when_the_jobs_have_used_up_the_stop_timeout(bench):
    bench.history.closes = False
    job = bench.blocking_job()
    runner = bench.runner(job, stop_timeout=0.0)
    drive(runner, job.entered.is_set)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: bench.history.stop_info)
    assert not bench.history.has_given_up
    bench.clock.advance(1)
    assert runner.run() == 1
    assert bench.history.has_given_up


def test_a_second_signal_does_not_wait_for_the_history(bench):
    bench.history.closes = False
    runner = bench.runner(stop_timeout=1000.0)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: bench.history.stop_info)
    runner.request_stop("SIGTERM")
    assert runner.run() == 1
    assert bench.history.has_given_up


def test_threads_of_the_pool_are_gone_when_the_runner_has_stopped(bench):
    runner = bench.runner(*(a_job(lambda env: None) for _ in range(10)))
    drive(runner, lambda: len(bench.history.ends) == 10)
    assert workers()
    runner.request_stop("SIGTERM")
    runner.run()
    wait_until(lambda: not workers(), timeout=5)  # sooner than idle threads go by themselves


# Receivers of signals.


@pytest.fixture
def blocking_receiver(bench):
    """A receiver of ``execution_finished`` that blocks as the job would."""
    receiver = bench.blocking_job()
    receive = lambda **facts: receiver(None)  # noqa: E731
    execution_finished.connect(receive)
    yield receiver
    execution_finished.disconnect(receive)


def test_a_job_is_neither_restarted_nor_timed_out_while_receivers_get_its_end(
    bench, blocking_receiver
):
    minute = timedelta(minutes=1)
    runner = bench.runner(a_job(lambda env: None, interval=minute, timeout=minute))
    drive(runner, blocking_receiver.entered.is_set)
    bench.clock.advance(300)
    runner.step()
    assert (len(bench.history.starts), bench.history.ends) == (1, [])
    blocking_receiver.let_go.set()
    drive(runner, lambda: len(bench.history.ends) == 2)
    assert bench.history.outcomes == [JobExecution.SUCCEEDED] * 2


def test_a_runner_that_stops_waits_for_receivers(bench, blocking_receiver):
    runner = bench.runner(a_job(lambda env: None), stop_timeout=1000.0)
    drive(runner, blocking_receiver.entered.is_set)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: runner._shutdown.phase is Phase.STOPPING)
    assert not bench.history.stop_info
    blocking_receiver.let_go.set()
    assert runner.run() == 0


def test_an_execution_stays_what_it_was_when_its_receivers_do_not_end_in_time(
    bench, blocking_receiver, caplog
):
    runner = bench.runner(a_job(lambda env: None), stop_timeout=5.0)
    drive(runner, blocking_receiver.entered.is_set)
    runner.request_stop("SIGTERM")
    drive(runner, lambda: runner._shutdown.phase is Phase.STOPPING)
    bench.clock.advance(5)
    assert runner.run() == 1
    assert bench.history.outcomes == [JobExecution.SUCCEEDED]
    assert "in blocks" in caplog.text


@pytest.mark.parametrize("signal", [execution_started, execution_finished], ids=["start", "end"])
def test_a_receiver_that_exits_stops_no_runner(bench, signal):
    def receive(**facts):
        sys.exit(3)

    runner = bench.runner(a_job(lambda env: None, interval=timedelta(0)))
    signal.connect(receive)
    try:
        drive(runner, lambda: len(bench.history.ends) >= 3)
    finally:
        signal.disconnect(receive)
    assert set(bench.history.outcomes) == {JobExecution.SUCCEEDED}
    runner.request_stop("SIGTERM")
    assert runner.run() == 0


@pytest.fixture
def told():
    """What a receiver of the ends of executions and runners has been told, in order."""
    told = []

    def receive(signal, sender, **facts):
        told.append((sender, facts, threading.current_thread().name))

    for signal in (execution_finished, runner_stopped):
        signal.connect(receive)
    yield told
    for signal in (execution_finished, runner_stopped):
        signal.disconnect(receive)


@pytest.fixture
def hasty(monkeypatch):
    """Wait for the last writes and receivers for less time than a second."""
    for module in ("loop", "shutdown", "stopping"):
        monkeypatch.setattr(f"quick_jobs.runner.{module}.LAST_WRITES", 0.1)


def test_a_timeout_and_then_the_end_of_the_runner_are_signalled_once_each(bench, told, hasty):
    job = bench.blocking_job(timeout=timedelta(minutes=1))
    runner = bench.runner(job, stop_timeout=0.0)
    drive(runner, job.entered.is_set)
    bench.clock.advance(60)
    drive(runner, lambda: told)
    job.let_go.set()
    assert runner.run() == 1
    (sender, facts, thread), (stopped_sender, stopped, stopped_thread) = told
    assert sender is job
    assert facts.pop("duration") >= timedelta(minutes=1)
    assert facts == {"job_name": job.name, "outcome": "timed_out", "exception": None}
    assert stopped_sender is JobRunner
    detail = f"{job.name} ran over its timeout of 1 min"
    assert stopped == {"reason": "timed_out", "detail": detail, "exit_status": 1}
    assert thread == stopped_thread == "quick_jobs late signals"


def test_what_is_abandoned_is_signalled_and_what_has_not_begun_is_not(bench, told, hasty):
    bench.history.confirms = False
    job, waiting = bench.blocking_job(), bench.blocking_job(variance=timedelta(minutes=1))
    bench.chance = 0.5
    runner = bench.runner(job, waiting)
    bench.history.tell(StartsRecorded([1]))
    drive(runner, job.entered.is_set)
    bench.clock.advance(30)
    runner.step()
    runner.request_stop("SIGTERM")
    drive(runner, lambda: runner._shutdown.phase is Phase.STOPPING)
    bench.clock.advance(5)
    assert runner.run() == 1
    assert [(sender, facts.get("outcome")) for sender, facts, _ in told] == [
        (job, "abandoned"),
        (JobRunner, None),
    ]


def test_receivers_that_block_hold_up_the_end_for_a_second_after_the_stop_timeout(
    bench, blocking_receiver, caplog
):
    job = bench.blocking_job(timeout=timedelta(minutes=1))
    runner = bench.runner(job, stop_timeout=0.0)
    drive(runner, job.entered.is_set)
    bench.clock.advance(60)
    began = time.monotonic()
    assert runner.run() == 1
    assert time.monotonic() - began < 10
    assert blocking_receiver.entered.is_set()
    assert "receivers of signals have not ended in time" in caplog.text


# When something in the runner itself goes wrong.


def test_a_history_without_tables_lets_no_job_begin(bench, caplog):
    bench.history.confirms = False
    job = bench.blocking_job()
    runner = bench.runner(job)
    runner.step()
    bench.history.tell(HistoryRefused("run 'manage.py migrate'"))
    assert runner.run() == 1
    assert runner.refusal == "run 'manage.py migrate'"
    assert not job.entered.is_set()
    assert "stopping" not in caplog.text  # what the command then says is enough


def test_a_history_that_has_closed_before_the_runner_asks_for_it_is_not_waited_for(bench):
    bench.history.closes = False  # it has done so already, and says it once
    bench.history.confirms = False
    runner = bench.runner(bench.blocking_job())
    runner.step()
    bench.history.tell(HistoryRefused("run 'manage.py migrate'"))
    bench.history.tell(HistoryClosed())
    runner.step()
    assert runner._shutdown.phase is Phase.OVER


def test_a_thread_that_dies_stops_the_runner_with_exit_status_1(bench, caplog):
    runner = bench.runner()
    bench.history.tell(ThreadDied("the recorder of the history", ValueError("bad")))
    assert runner.run() == 1
    assert bench.history.stop_info.reason == JobRunner.CRASHED
    detail = bench.history.stop_info.detail
    assert detail.startswith("the recorder of the history: ValueError('bad'")
    (record,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert record.getMessage() == "the recorder of the history died of an error"
    assert isinstance(record.exc_info[1], ValueError)


def test_a_worker_that_dies_stops_the_runner_with_exit_status_1(bench, monkeypatch):
    def breaks(*args):
        raise ValueError("in the runner's own code")

    monkeypatch.setattr(loop, "execute", breaks)
    runner = bench.runner(a_job(lambda env: None), stop_timeout=0.0)
    assert runner.run() == 1
    assert bench.history.stop_info.detail.startswith("a worker: ValueError")


def test_a_loop_that_fails_stops_the_runner_with_exit_status_1(bench, caplog):
    job = bench.blocking_job()
    other = a_job(lambda env: None, interval=timedelta(minutes=1))
    runner = bench.runner(job, other)
    drive(runner, lambda: job.entered.is_set() and bench.history.ends)
    bench.clock.advance(60)
    bench.chance = "not a number"  # when the other job is started again
    assert runner.run() == 1
    assert bench.history.stop_info.reason == JobRunner.CRASHED
    assert bench.history.stop_info.detail.startswith("the runner's loop: TypeError(")
    assert bench.history.outcomes == [JobExecution.SUCCEEDED, JobExecution.ABANDONED]
    assert bench.history.has_given_up
    assert "the runner's loop died of an error" in caplog.messages


def test_a_loop_that_fails_does_not_wait_for_ever_for_its_history(bench, hasty):
    bench.history.closes = False
    runner = bench.runner(a_job(lambda env: None))
    bench.chance = "not a number"
    assert runner.run() == 1
    assert bench.history.has_given_up


# With the real recorder, and a database that can go away.


class SwitchedStorage(Storage):
    """The real one, which fails while ``is_away``, or loses every second answer."""

    is_away = False
    loses_answers = False

    def __init__(self, jobs):
        super().__init__(an_identity(), jobs)
        self._writes = 0

    def register(self):
        self._fail_if_away()
        super().register()

    def write(self, records):
        self._fail_if_away()
        super().write(records)
        self._writes += 1
        if self.loses_answers and self._writes % 2:
            raise OperationalError("lost the connection before the answer came")

    def stop(self, *args, **kwargs):
        self._fail_if_away()
        super().stop(*args, **kwargs)

    def _fail_if_away(self):
        if self.is_away:
            raise OperationalError("away")


class CountingJobs:
    """Two jobs that count their runs."""

    def __init__(self):
        self.runs = Counter()
        self.jobs = [self._job("a"), self._job("b")]

    def _job(self, name):
        def work(env):
            self.runs[name] += 1

        work.__name__ = name
        return RegisteredJob(work, timedelta(milliseconds=10))

    @property
    def total(self):
        return sum(self.runs.values())


@pytest.fixture
def counter():
    return CountingJobs()


@pytest.fixture
def running(counter, transactional_db):
    """A runner with the real recorder, in a thread of its own."""
    running = Running(counter.jobs)
    yield running
    running.stop()


class Running:
    def __init__(self, jobs):
        self.storage = SwitchedStorage(jobs)
        self.exit_status = None
        self._jobs = jobs
        self._thread = threading.Thread(target=self._run)

    def start(self, **options):
        self._runner = Runner(self._jobs, Recorder(self.storage, 15.0), OPTIONS._replace(**options))
        self._thread.start()

    def _run(self):
        self.exit_status = self._runner.run()

    def stop(self):
        """Stop it and return the exit status."""
        if self._thread.is_alive():
            self._runner.request_stop("SIGTERM")
            self._thread.join(60)
        return self.exit_status


def on_record():
    """Return how many executions have begun, by the job's function."""
    begun = Counter()
    for execution in JobExecution.objects.exclude(error=NEVER_BEGUN):
        begun[execution.job.name.rpartition(".")[2]] += 1
    return begun


def delete_all(model):
    """Delete all rows, and return whether that was possible: the runner may just refer to one."""
    try:
        model.objects.all().delete()
    except (IntegrityError, OperationalError):
        return False
    return True


def test_every_execution_is_on_record_after_a_clean_stop(running, counter):
    running.start()
    wait_until(lambda: counter.total > 50)
    assert running.stop() == 0
    assert on_record() == counter.runs
    assert not JobExecution.objects.filter(outcome=JobExecution.RUNNING).exists()
    runner = JobRunner.objects.get()
    assert (runner.stop_reason, runner.stop_detail) == (JobRunner.SIGNAL, "SIGTERM")
    assert runner.stopped_at > runner.started_at


def test_jobs_run_on_while_the_database_is_away_and_their_records_land_once(running, counter):
    running.start()
    wait_until(lambda: JobExecution.objects.count() > 5)
    running.storage.is_away = True
    wait_until(lambda: counter.total > JobExecution.objects.count() + 50)
    written = JobExecution.objects.count()
    running.storage.is_away = False
    wait_until(lambda: JobExecution.objects.count() > written)
    assert running.stop() == 0
    assert on_record() == counter.runs


def test_jobs_run_when_the_database_is_away_from_the_start(running, counter):
    running.storage.is_away = True
    running.start()
    wait_until(lambda: counter.total > 20)
    running.storage.is_away = False
    wait_until(JobRunner.objects.exists)
    assert running.stop() == 0
    assert on_record() == counter.runs


def test_a_lost_answer_makes_no_second_record(running, counter):
    running.storage.loses_answers = True
    running.start()
    wait_until(lambda: counter.total > 50)
    running.storage.loses_answers = False
    assert running.stop() == 0
    assert on_record() == counter.runs


def test_what_cannot_be_saved_by_the_end_is_logged(running, counter, caplog):
    running.start(stop_timeout=0.5)
    wait_until(lambda: counter.total > 20)
    running.storage.is_away = True
    before = counter.total
    wait_until(lambda: counter.total > before + 20)
    assert running.stop() == 0
    numbers = set(JobExecution.objects.exclude(error=NEVER_BEGUN).values_list("number", flat=True))
    for message in caplog.messages:
        if message.startswith("not saved: ") and NEVER_BEGUN not in message:
            numbers.add(json.loads(message.partition(": ")[2])["number"])
    assert len(numbers) == counter.total
    assert JobRunner.objects.get().stopped_at is None


def test_a_runner_whose_rows_are_deleted_writes_them_anew(running, counter):
    running.start()
    wait_until(lambda: JobExecution.objects.count() > 5)
    key = JobRunner.objects.get().key
    for model in (Job, JobRunner):
        wait_until(lambda model=model: delete_all(model))
    wait_until(lambda: JobExecution.objects.count() > 5)
    assert running.stop() == 0
    runner = JobRunner.objects.get()
    assert runner.key == key
    assert runner.stopped_at > runner.started_at
    assert sorted(job.name for job in runner.jobs.all()) == [job.name for job in counter.jobs]


def test_started_at_is_when_the_function_was_entered(running):
    before = dt.datetime.now(dt.timezone.utc)
    running.start()
    execution = wait_until(JobExecution.objects.exclude(outcome=JobExecution.RUNNING).first)
    assert before <= execution.started_at <= dt.datetime.now(dt.timezone.utc)
    assert running.stop() == 0


def test_a_database_that_does_not_answer_is_warned_of_then_left_for_a_new_connection(bench, caplog):
    runner = bench.runner(start_record_timeout=0.0)
    bench.history.waits_since = bench.clock()
    told = []
    for seconds in (11, 20):
        bench.clock.advance(seconds)
        runner.step()
        told.append((caplog.messages[-1], bench.history.broken_off))
    assert told[0] == ("the history's database has not answered for 11 s", 0)
    assert told[1] == (
        "the history's database has not answered for 31 s: its connection is broken off, and "
        "what it has not confirmed is written again",
        1,
    )


# What it says.


def test_a_connection_that_cannot_be_broken_off_is_not_said_to_be(bench, caplog):
    runner = bench.runner(start_record_timeout=0.0)
    bench.history.waits_since = bench.clock()
    bench.history.can_be_broken_off = False
    bench.clock.advance(31)
    runner.step()
    assert caplog.messages[-1] == "the history's database has not answered for 31 s"


def levels_of(caplog):
    return {record.getMessage(): record.levelname for record in caplog.records}


def test_a_timeout_that_stops_the_runner_is_an_error_with_the_exit_status_to_come(bench, caplog):
    caplog.set_level("INFO")
    job = bench.blocking_job(timeout=timedelta(seconds=90))
    runner = bench.runner(job, stop_timeout=7.0)
    drive(runner, job.entered.is_set)
    bench.clock.advance(90)
    drive(runner, lambda: bench.history.ends)
    told = levels_of(caplog)
    stopping = f"stopping: {job.name} ran over its timeout of 1 min 30 s; the exit status will be 1"
    assert told[stopping] == "ERROR"
    assert told[f"waiting up to 7 s for {job.name}"] == "INFO"


def test_a_signal_is_no_error_and_the_jobs_that_run_are_named_the_first_of_many(bench, caplog):
    caplog.set_level("INFO")
    jobs = [bench.blocking_job() for _ in range(12)]
    runner = bench.runner(*jobs, stop_timeout=7.0)
    drive(runner, lambda: all(job.entered.is_set() for job in jobs))
    runner.request_stop("SIGTERM")
    runner.step()
    told = levels_of(caplog)
    assert told["stopping: SIGTERM"] == "INFO"
    (waiting,) = [message for message in told if message.startswith("waiting up to 7 s for ")]
    assert waiting.endswith(" and 2 more")


def test_a_stop_with_nothing_running_waits_for_nobody(bench, caplog):
    caplog.set_level("INFO")
    runner = bench.runner(a_job(lambda env: None, variance=timedelta(hours=1)))
    runner.request_stop("SIGTERM")
    runner.run()
    assert not [message for message in caplog.messages if message.startswith("waiting")]


def test_jobs_that_start_later_than_in_a_minute_are_named_at_the_start(bench, caplog):
    caplog.set_level("INFO")
    bench.chance = 0.5
    soon = a_job(lambda env: None, variance=timedelta(minutes=2))
    late = a_job(lambda env: None, variance=timedelta(hours=1))
    runner = bench.runner(soon, late)
    runner.request_stop("SIGTERM")
    runner.run()
    assert f"first starts: {late.name} in 30 min" in caplog.messages
