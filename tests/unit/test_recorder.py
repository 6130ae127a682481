"""The recorder: what it writes, when, and what it does when it cannot."""

import contextlib
import json
import logging
import logging.handlers
import threading
from unittest import mock

import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quick_jobs.databases import database_of
from quick_jobs.databases.mysql import MySQL
from quick_jobs.history import NoHistory, Recorder
from quick_jobs.history.in_use import InUse, Kept
from quick_jobs.history.job_rows import NamesCollide
from quick_jobs.history.look import Look
from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryRefused,
    LastStart,
    LastStarts,
    StartsRecorded,
    ThreadDied,
)
from quick_jobs.history.recorder import StopInfo
from quick_jobs.history.tables import NotMigrated
from quick_jobs.models import JobExecution, JobRunner
from tests.records import MOMENT, a_start, an_end

FAREWELL = StopInfo(JobRunner.SIGNAL, "SIGTERM", MOMENT)
HEARTBEAT_INTERVAL = 15.0


LAST_START = LastStart(started_at=1000.0, due_at=None, is_unfinished=False)


class FakeStorage:
    """Keeps rows by the number of their execution, and fails when told to."""

    using = "default"
    has_resuming_jobs = False

    def __init__(self):
        self.is_registered = False
        self.asked = []
        self.rows = {}
        self.stopped = None
        self.outage = None  # raised by everything
        self.errors = []  # raised by the next calls, one each, after they have done what they do
        self.refuse = lambda record: None  # or return the error that a record causes
        self.observed = {}  # the looks at executions, by number
        self.refuse_look = lambda look: None  # or return the error that a look causes

    def register(self):
        self._ask("register")
        self.is_registered = True

    def last_starts(self):
        self._ask("last starts")
        return {"shop.jobs.work": LAST_START}

    def connect(self):
        pass

    def break_off(self):
        self.asked.append("break off")

    def forget_registration(self):
        self.is_registered = False

    def write(self, records):
        self._ask("write")
        for record in records:
            error = self.refuse(record)
            if error:
                raise error
        for record in records:
            if record.is_end or record.number not in self.rows:
                self.rows[record.number] = record
        if self.errors:
            raise self.errors.pop(0)

    def beat(self, dropped_executions):
        self._ask("beat")
        self.dropped_executions = dropped_executions

    def observe(self, looks):
        self._ask("observe")
        for look in looks:
            error = self.refuse_look(look)
            if error:
                raise error
        for look in looks:
            if look.number in self.rows and not self.rows[look.number].is_end:
                self.observed[look.number] = look
        if self.errors:
            raise self.errors.pop(0)

    def stop(self, reason, detail, stopped_at, dropped_executions):
        self._ask("stop")
        self.stopped = StopInfo(reason, detail, stopped_at)
        self.dropped_executions = dropped_executions

    def is_locked(self, error):
        return "is locked" in str(error)

    def is_about_data(self, error):
        return database_of(connections[self.using]).is_about_data(error)

    def is_outage(self, error):
        return database_of(connections[self.using]).is_outage(error)

    def may_be_of_size(self, error):
        return MySQL(connections[self.using]).may_be_of_size(error)

    def probe(self, dropped_executions):
        self._ask("probe")

    def reset(self):
        self.asked.append("reset")

    def _ask(self, what):
        self.asked.append(what)
        if self.outage:
            raise self.outage


class FakePruning:
    """Takes three steps; each asks the storage, as the real one asks the database."""

    def __init__(self, storage):
        self.steps_left = 3
        self.pause = 0.0
        self.in_use = InUse("default")
        self._storage = storage

    def step(self):
        self._storage._ask("prune")
        self.steps_left -= 1
        return self.steps_left == 0


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def storage():
    return FakeStorage()


@pytest.fixture
def told():
    return []


def a_recorder(storage, clock, tell, **options):
    """Return a recorder whose steps the test takes, in place of its thread."""
    options.setdefault("new_pruning", lambda using: FakePruning(storage))
    recorder = Recorder(storage, HEARTBEAT_INTERVAL, clock=clock, **options)
    with mock.patch.object(threading.Thread, "start"):
        recorder.start(tell)
    return recorder


@pytest.fixture
def recorder(storage, clock, told):
    """A recorder that has registered its runner."""
    recorder = a_recorder(storage, clock, told.append)
    recorder.step()
    storage.asked.clear()
    return recorder


def try_again(recorder, clock):
    """Take the step that follows a failure, when its time has come."""
    clock.now += 2.0
    recorder.step()


def recover(recorder, storage, clock):
    """Have the database answer again, and take some steps."""
    storage.outage = None
    for _ in range(4):
        clock.now += 2.0
        recorder.beat(clock.now)  # lest a step with nothing else to do wait for ever
        recorder.step()


def fail(recorder, storage, clock, error, times=2):
    """Let the database be away for so many tries."""
    storage.outage = error
    recorder.put([a_start(0)])
    recorder.step()
    for _ in range(times - 1):
        try_again(recorder, clock)


def unsaved(caplog):
    """Return what was logged as lost, by number."""
    records = [
        json.loads(line.getMessage().partition(": ")[2])
        for line in caplog.records
        if line.levelno == logging.ERROR and line.getMessage().startswith("not saved")
    ]
    return {record["number"]: record for record in records}


# When all is well.


def test_the_runner_is_registered_before_anything_is_written(storage, clock, told, caplog):
    caplog.set_level(logging.INFO)
    recorder = a_recorder(storage, clock, told.append)
    recorder.put([a_start()])
    recorder.step()
    assert storage.asked == ["register", "write"]
    assert caplog.messages == ["the history is kept in the database 'default'"]


def test_a_lone_execution_is_written_at_once_and_told(recorder, storage, told):
    recorder.put([a_start(7)])
    recorder.step()
    assert storage.rows == {7: a_start(7)}
    assert told == [StartsRecorded([7])]


def test_the_last_starts_of_jobs_that_resume_are_told_once(storage, clock, told):
    storage.has_resuming_jobs = True
    storage.outage = OperationalError("the server is restarting")
    recorder = a_recorder(storage, clock, told.append)
    recorder.beat(clock.now)
    recorder.step()
    assert told == []
    recover(recorder, storage, clock)
    assert told == [LastStarts({"shop.jobs.work": LAST_START})]


def test_without_jobs_that_resume_the_last_starts_are_not_asked_for(storage, clock, told):
    recorder = a_recorder(storage, clock, told.append)
    recorder.beat(clock.now)
    recorder.step()
    assert told == []
    assert "last starts" not in storage.asked


def test_ends_are_written_and_only_starts_are_told_by_number(recorder, storage, told):
    recorder.put([an_end(1), a_start(2), an_end(3)])
    recorder.step()
    assert sorted(storage.rows) == [1, 2, 3]
    assert told == [StartsRecorded([2])]


def test_a_burst_is_written_in_batches_of_250(recorder, storage):
    recorder.put([an_end(number) for number in range(600)])
    for _ in range(3):
        recorder.step()
    assert storage.asked == ["write"] * 3
    assert len(storage.rows) == 600


def test_a_start_that_is_taken_back_is_not_written(recorder, storage):
    recorder.put([a_start(1), a_start(2)])
    assert recorder.forget(1)
    recorder.step()
    assert list(storage.rows) == [2]
    assert not recorder.forget(2)


def test_a_heartbeat_is_written_when_the_loop_asks_and_not_otherwise(recorder, storage, clock):
    recorder.put([a_start()])
    recorder.step()
    assert storage.asked == ["write"]
    recorder.beat(clock.now)
    recorder.step()
    assert storage.asked == ["write", "beat"]


# Looks at running executions.


def a_look(number=1, **changes):
    return Look(number, **{"note": f"of {number}", **changes})


def test_looks_are_written_with_the_heartbeat_and_none_without(recorder, storage, clock):
    recorder.put([a_start(1), a_start(2)])
    recorder.beat(clock.now, [a_look(1), a_look(2)])
    recorder.step()
    assert storage.asked == ["write", "beat", "observe"]
    assert [look.note for look in storage.observed.values()] == ["of 1", "of 2"]
    recorder.beat(clock.now, [])
    recorder.step()
    assert storage.asked == ["write", "beat", "observe", "beat"]


def test_looks_wait_for_the_database_and_the_newest_of_each_execution_is_written(
    recorder, storage, clock
):
    recorder.put([a_start(1)])
    recorder.step()
    storage.outage = OperationalError("the server is restarting")
    for number in range(3):
        recorder.beat(clock.now, [a_look(1, note=None, reached=(number, None))])
        try_again(recorder, clock)
    recorder.beat(clock.now, [a_look(1, note="late")])
    try_again(recorder, clock)
    assert not storage.observed
    recover(recorder, storage, clock)
    assert storage.asked.count("observe") == 1
    assert storage.observed[1][:3] == (1, "late", 2.0)


def test_looks_that_wait_are_bounded(recorder, storage, clock):
    storage.outage = OperationalError("the server is restarting")
    for number in range(1000):
        recorder.beat(clock.now, [a_look(number)])
        try_again(recorder, clock)
    assert list(recorder._life_signs._looks) == list(range(800, 1000))


def test_a_look_waits_for_the_start_of_its_execution(recorder, storage, clock):
    recorder.put([a_start(number) for number in range(400)])
    recorder.beat(clock.now, [a_look(1), a_look(399)])
    recorder.step()
    assert list(storage.observed) == [1]
    recorder.beat(clock.now)
    recorder.step()
    assert list(storage.observed) == [1, 399]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after the commit"])
def test_looks_whose_answer_is_lost_are_written_again(recorder, storage, clock, after):
    recorder.put([a_start(1)])
    recorder.step()
    storage.asked.clear()
    lost = [InterfaceError("connection already closed")]
    if after:
        storage.errors = lost
    else:
        storage.refuse_look = lambda look: lost.pop() if lost else None
    recorder.beat(clock.now, [a_look(1)])
    recorder.step()
    assert storage.asked == ["beat", "observe", "reset", "probe", "observe"]
    assert storage.observed[1].note == "of 1"


def test_of_looks_that_the_database_refuses_as_much_as_it_takes_is_written(
    recorder, storage, clock
):
    def refuse(look):
        if look.number == 2:
            return InterfaceError("packet too large") if len(look.log) > 200 else None
        is_ascii = all(ord(character) < 128 for character in look.note)
        return None if is_ascii else DataError("no such character")

    storage.refuse_look = refuse
    recorder.put([a_start(1), a_start(2)])
    recorder.beat(clock.now, [a_look(1, note="Grüße")])
    recorder.step()
    recorder.beat(clock.now, [a_look(2, log=lambda: "x" * 1000)])
    recorder.step()
    assert storage.observed[1].note == "Gr\\xfc\\xdfe"
    assert storage.observed[2].log == "x" * 128


def test_heartbeats_are_written_although_the_database_refuses_every_observation(
    recorder, storage, clock, told
):
    storage.refuse_look = lambda look: DataError("refused")
    for _ in range(3):
        recorder.beat(clock.now, [a_look()])
        recorder.step()
    assert storage.asked.count("beat") == 3
    assert not told


# Pruning.


def test_pruning_goes_on_step_by_step_and_what_there_is_to_write_comes_first(recorder, storage):
    recorder.prune()
    recorder.step()
    recorder.put([an_end()])
    recorder.step()
    recorder.step()
    assert storage.asked == ["prune", "write", "prune", "prune"]


def test_what_stays_in_use_is_logged_once_for_all_that_refers_to_it(recorder, storage, caplog):
    caplog.set_level("INFO", logger="quick_jobs")

    def prune(*reasons):
        recorder.prune()
        recorder.step()
        rows = [Kept(JobExecution, number, [reason]) for number, reason in enumerate(reasons)]
        recorder._pruning.current.in_use.keep(rows)
        recorder.step()
        recorder.step()

    for reasons in (["shop.Invoice"], ["shop.Invoice"] * 2, ["shop.Invoice", "shop.Audit"]):
        prune(*reasons)
    told = [record.getMessage() for record in caplog.records if "in use" in record.message]
    assert told == [
        "old history is in use: 1 execution stays, as others refer to it: shop.Invoice.",
        "old history is in use: 2 executions stay, as others refer to them: "
        "shop.Audit, shop.Invoice.",
    ]


def test_pruning_pauses_for_others_while_there_is_still_time_to_write(recorder, storage, clock):
    recorder.prune()
    recorder.step()
    recorder._pruning.current.pause = 0.5
    recorder.step()
    recorder.put([an_end()])
    recorder.step()
    assert storage.asked == ["prune", "prune", "write"]
    assert recorder._seconds_to_wait() == 0.5
    clock.now += 0.5
    recorder.step()
    assert storage.asked == ["prune", "prune", "write", "prune"]


def test_a_second_request_does_not_begin_a_second_pruning(recorder, storage):
    recorder.prune()
    recorder.step()
    recorder.prune()
    recorder.step()
    recorder.step()
    recorder.put([an_end()])
    recorder.step()
    assert storage.asked == ["prune"] * 3 + ["write"]


def test_pruning_waits_while_many_batches_are_to_be_written(recorder, storage):
    recorder.put([an_end(number) for number in range(300)])
    recorder.prune()
    recorder.step()
    recorder.step()
    assert storage.asked == ["write", "write", "prune"]


def test_pruning_that_fails_is_left_for_another_time(recorder, storage):
    recorder.prune()
    storage.outage = OperationalError("lock wait timeout")
    recorder.step()
    storage.outage = None
    recorder.step()
    recorder.put([an_end()])
    recorder.step()
    assert storage.asked == ["prune", "reset", "write"]


def test_without_a_retention_nothing_is_pruned(storage, clock, told):
    recorder = a_recorder(storage, clock, told.append, new_pruning=lambda using: None)
    recorder.prune()
    recorder.step()
    recorder.put([an_end()])
    recorder.step()
    assert storage.asked == ["register", "write"]


# When the database is away.


def test_the_first_failure_is_followed_by_a_try_at_once_with_a_new_connection(
    recorder, storage, told, caplog
):
    storage.outage = OperationalError("server closed the connection")
    recorder.put([a_start(1)])
    recorder.step()
    storage.outage = None
    recorder.step()
    assert storage.asked == ["write", "reset", "write"]
    assert told == [StartsRecorded([1])]
    assert not caplog.records


def test_a_lock_is_told_only_after_ten_seconds_of_failures(recorder, storage, clock, told, caplog):
    storage.outage = OperationalError("database is locked")
    recorder.put([a_start(1)])
    for _ in range(3):
        recorder.step()
        clock.now += 4
    assert told == []
    assert caplog.records == []
    recorder.step()
    assert told == [HistoryAway()]
    assert "the history cannot be written" in caplog.text


def test_the_second_failure_is_told_and_warned_of_once(recorder, storage, clock, told, caplog):
    fail(recorder, storage, clock, OperationalError("connection\nrefused"), times=5)
    assert told == [HistoryAway()]
    assert caplog.messages == [
        "the history cannot be written, and waits in memory: OperationalError: connection refused"
    ]


def test_what_waited_lands_when_the_database_is_back(recorder, storage, clock, told, caplog):
    fail(recorder, storage, clock, InterfaceError("connection already closed"), times=3)
    recorder.put([an_end(0), a_start(1), an_end(2)])
    recover(recorder, storage, clock)
    assert {number: row.outcome for number, row in storage.rows.items()} == {
        0: JobExecution.SUCCEEDED,
        1: JobExecution.RUNNING,
        2: JobExecution.SUCCEEDED,
    }
    assert told[-1] == StartsRecorded([1])
    assert "the history is written again, after 3 failures" in caplog.text


def test_the_next_outage_is_told_like_the_first(recorder, storage, clock, told):
    for _ in range(2):
        fail(recorder, storage, clock, OperationalError("away"))
        recover(recorder, storage, clock)
    assert told == [HistoryAway(), StartsRecorded([0])] * 2


def test_a_database_that_is_away_from_the_start_is_waited_for(storage, clock, told):
    recorder = a_recorder(storage, clock, told.append)
    fail(recorder, storage, clock, OperationalError("no route to host"), times=4)
    assert told == [HistoryAway()]
    recover(recorder, storage, clock)
    assert told[1:] == [StartsRecorded([0])]


def test_tries_are_soon_at_first_and_never_further_apart_than_two_seconds(recorder, storage, clock):
    storage.outage = OperationalError("away")
    recorder.put([a_start()])
    recorder.step()
    waits = []
    for _ in range(12):
        failed_at, tries = clock.now, len(storage.asked)
        while len(storage.asked) == tries:
            clock.now += 0.01
            recorder.beat(clock.now)  # else the step would wait
            recorder.step()
        waits.append(clock.now - failed_at)
    assert waits[0] <= 0.011
    assert waits[1] <= 0.11
    assert waits[1] < waits[4] < waits[8]
    assert all(1 <= wait <= 2.01 for wait in waits[8:])


def test_while_it_waits_for_the_database_it_waits_in_real_time(storage, told):
    """The step that has nothing to do until the next try does not spin."""
    recorder = Recorder(storage, HEARTBEAT_INTERVAL)
    storage.outage = OperationalError("away")
    steps = 0
    while len(storage.asked) < 6:
        recorder.step()
        steps += 1
    assert steps <= len(storage.asked)


def test_a_write_whose_answer_was_lost_is_on_record_once(recorder, storage, told):
    recorder.put([a_start(1), an_end(2)])
    storage.errors = [OperationalError("server closed the connection")]
    recorder.step()
    assert not recorder.forget(1)
    recorder.step()
    assert storage.rows == {1: a_start(1), 2: an_end(2)}
    assert told == [StartsRecorded([1])]


def test_a_heartbeat_that_had_to_wait_for_the_database_is_not_written(recorder, storage, clock):
    """It would say that the loop is well now, of which nobody knows."""
    storage.outage = OperationalError("away")
    recorder.beat(clock.now)
    recorder.step()
    storage.outage = None
    clock.now += HEARTBEAT_INTERVAL
    storage.asked.clear()
    recorder.step()
    assert storage.asked == []
    recorder.beat(clock.now)
    recorder.step()
    assert storage.asked == ["beat"]


def test_executions_that_outgrow_the_memory_are_dropped_and_counted(storage, clock, told, caplog):
    recorder = a_recorder(storage, clock, told.append, capacity=100_000)
    recorder.step()
    fail(recorder, storage, clock, OperationalError("away"))
    caplog.clear()
    for number in range(1, 1001):
        recorder.put([an_end(number)])
    assert caplog.messages == [
        "the memory for the history is full: the oldest executions are dropped"
    ]
    recover(recorder, storage, clock)
    dropped = storage.dropped_executions
    assert 0 < dropped < 1000
    assert sorted(storage.rows) == [0, *range(dropped + 1, 1001)]
    assert f"after 2 failures; {dropped} executions were dropped" in caplog.text


# When the database refuses the data.


def test_a_row_that_has_gone_has_the_runner_registered_anew(recorder, storage):
    storage.refuse = lambda record: None if "register" in storage.asked else IntegrityError("gone")
    recorder.put([a_start(1)])
    recorder.step()
    recorder.step()
    assert storage.asked == ["write", "reset", "register", "write"]
    assert list(storage.rows) == [1]


def test_what_is_refused_is_written_in_ascii_and_the_rest_of_its_batch_as_it_is(
    recorder, storage, clock, told, caplog
):
    storage.refuse = lambda record: None if record.error.isascii() else DataError("encoding")
    recorder.put([an_end(1, error="a"), an_end(2, error="ü"), a_start(3)])
    recorder.step()
    recorder.step()
    assert {number: row.error for number, row in storage.rows.items()} == {
        1: "a",
        2: "\\xfc",
        3: "",
    }
    assert told[-1] == StartsRecorded([3])
    assert not unsaved(caplog)


def test_what_is_refused_even_in_ascii_is_logged_and_does_not_hold_up_the_rest(
    recorder, storage, clock, caplog
):
    storage.refuse = lambda record: DataError("no") if record.number == 2 else None
    recorder.put([an_end(1), an_end(2, error="ü", traceback="t\n"), an_end(3)])
    for _ in range(2):
        try_again(recorder, clock)
    assert sorted(storage.rows) == [1, 3]
    assert list(unsaved(caplog)) == [2]
    assert unsaved(caplog)[2]["error"] == "ü"
    assert unsaved(caplog)[2]["traceback"] == "t\n"
    recorder.put([an_end(4), an_end(5)])
    storage.asked.clear()
    recorder.step()
    assert storage.asked == ["write"]


@pytest.mark.parametrize("in_ascii", [False, True])
def test_an_outage_while_records_are_written_one_by_one_loses_none(
    recorder, storage, clock, caplog, in_ascii
):
    bad_data, outage = DataError("encoding"), OperationalError("away")

    def refuse(record):
        if record.number == 1 and not record.error.isascii():
            return bad_data
        return outage if record.number == (1 if in_ascii else 2) else None

    storage.refuse = refuse
    recorder.put([an_end(1, error="ü"), an_end(2)])
    for _ in range(5):
        try_again(recorder, clock)
    assert 2 not in storage.rows
    storage.refuse = lambda record: None
    recover(recorder, storage, clock)
    assert sorted(storage.rows) == [1, 2]
    assert not unsaved(caplog)


def test_bad_data_is_no_outage_and_starts_beside_it_are_told_at_once(
    recorder, storage, told, caplog
):
    storage.refuse = lambda record: None if record.error.isascii() else DataError("encoding")
    for number in range(0, 20, 2):
        recorder.put([an_end(number, error="\U0001f40d"), a_start(number + 1)])
        recorder.step()
        recorder.step()
    assert told == [StartsRecorded([number + 1]) for number in range(0, 20, 2)]
    assert not caplog.records
    assert len(storage.rows) == 20


# When a record is too long for the database.


def closes_for_long_ones(limit):
    """Return what refuses records with texts above ``limit``, by closing the connection."""

    def refuse(record):
        if len(record.error) + len(record.traceback) > limit:
            return OperationalError(2006, "server has gone away")
        return None

    return refuse


@pytest.mark.parametrize("limit", [0, 200, 1000, 40_000])
def test_a_record_that_is_too_long_is_cut_after_some_tries_and_holds_up_no_other(
    recorder, storage, clock, told, caplog, limit
):
    storage.refuse = closes_for_long_ones(limit)
    text = "first\n" + "x" * 100_000 + "\nlast"
    recorder.put([an_end(1), an_end(2, error="e" * 255, traceback=text), a_start(3)])
    for _ in range(4):
        if 2 not in storage.rows:
            try_again(recorder, clock)
    assert sorted(storage.rows) == [1, 2, 3]
    assert StartsRecorded([3]) in told
    row = storage.rows[2]
    assert len(row.error) + len(row.traceback) <= limit
    if limit >= 1000:
        assert row.traceback.startswith("first\n")
        assert row.traceback.endswith("\nlast")
    assert "saved in part" in caplog.text
    assert not unsaved(caplog)


def test_a_database_that_takes_nothing_has_no_record_cut(recorder, storage, clock, caplog):
    recorder.put([an_end(1, traceback="x" * 100_000)])
    storage.outage = OperationalError(2006, "server has gone away")
    for _ in range(10):
        try_again(recorder, clock)
    recover(recorder, storage, clock)
    assert storage.rows == {1: an_end(1, traceback="x" * 100_000)}
    assert "saved in part" not in caplog.text


# An error that is no outage, and stays.

LASTING = ProgrammingError("permission denied for table quick_jobs_jobexecution")


def lasting(caplog):
    return [message for message in caplog.messages if "waiting will not help" in message]


def test_an_error_that_is_no_outage_is_told_once_after_a_minute(recorder, storage, clock, caplog):
    fail(recorder, storage, clock, LASTING, times=30)
    assert not lasting(caplog)
    fail(recorder, storage, clock, LASTING, times=100)
    assert len(lasting(caplog)) == 1
    assert "permission denied for table" in lasting(caplog)[0]
    assert "--no-history" in lasting(caplog)[0]
    assert recorder.give_up()


def test_an_outage_of_an_hour_is_not_told_as_lasting(recorder, storage, clock, caplog):
    fail(recorder, storage, clock, OperationalError("connection refused"), times=1800)
    assert not recorder.give_up()
    assert not lasting(caplog)


def test_history_that_is_lost_to_an_error_which_stays_is_told_at_the_end(
    recorder, storage, clock, caplog
):
    fail(recorder, storage, clock, LASTING)
    recorder.stop(FAREWELL)
    assert recorder.give_up()
    assert len(lasting(caplog)) == 1
    assert list(unsaved(caplog)) == [0]


def test_what_refuses_every_record_is_told_after_a_minute_and_in_the_exit_status(
    recorder, storage, clock, caplog
):
    """Such as a column of a newer release that may not be empty."""
    storage.refuse = lambda record: IntegrityError("NOT NULL constraint failed: log")
    for number in range(70):
        recorder.put([an_end(number)])
        for _ in range(2):
            clock.now += 0.6
            recorder.beat(clock.now)
            recorder.step()
    assert len(lasting(caplog)) == 1
    assert recorder.give_up()


def test_a_record_that_is_refused_alone_does_not_change_the_exit_status(
    recorder, storage, clock, caplog
):
    storage.refuse = lambda record: IntegrityError("no") if record.number == 1 else None
    for number in (1, 2):
        recorder.put([an_end(number)])
        recorder.step()
        recorder.beat(clock.now)
        recorder.step()
    assert list(storage.rows) == [2]
    assert not recorder.give_up()
    assert not lasting(caplog)


def test_a_pruning_that_is_not_allowed_is_told_once_and_costs_the_history_nothing(
    recorder, storage, clock, caplog, monkeypatch
):
    def refused(pruning):
        raise ProgrammingError("permission denied for table quick_jobs_jobexecution")

    monkeypatch.setattr(FakePruning, "step", refused)
    for _ in range(3):
        recorder.prune()
        recorder.step()
    told = [message for message in caplog.messages if "old history cannot be deleted" in message]
    assert len(told) == 1
    assert "permission denied" in told[0]
    assert "reset" not in storage.asked


def test_an_error_that_has_passed_costs_nothing(recorder, storage, clock, caplog):
    fail(recorder, storage, clock, LASTING, times=100)
    recover(recorder, storage, clock)
    recorder.stop(FAREWELL)
    recorder._run()
    caplog.clear()
    assert not recorder.give_up()
    assert not caplog.records


def test_a_stop_that_could_not_be_saved_is_told(recorder, storage, clock, caplog):
    storage.outage = OperationalError("away")
    recorder.stop(FAREWELL)
    recorder.step()
    recorder.give_up()
    assert "the stop of this runner could not be saved" in caplog.text


# The beginning and the end.


def test_a_database_without_tables_is_told_and_ends_the_recorder(storage, clock, told):
    storage.outage = NotMigrated("run 'manage.py migrate'")
    recorder = a_recorder(storage, clock, told.append)
    recorder._run()
    assert told == [HistoryRefused("run 'manage.py migrate'"), HistoryClosed()]


def test_names_that_the_database_holds_for_equal_end_the_recorder(storage, clock, told):
    storage.outage = NamesCollide("shop.jobs.ano and shop.jobs.año")
    recorder = a_recorder(storage, clock, told.append)
    recorder._run()
    assert told == [HistoryRefused("shop.jobs.ano and shop.jobs.año"), HistoryClosed()]


def test_tables_that_vanish_later_are_an_outage(recorder, storage, clock, told):
    storage.is_registered = False
    fail(recorder, storage, clock, NotMigrated("run 'manage.py migrate'"))
    assert told == [HistoryAway()]
    recover(recorder, storage, clock)
    assert list(storage.rows) == [0]


def test_all_is_written_before_the_runner_is_said_to_have_stopped(recorder, storage, told):
    recorder.put([an_end(number) for number in range(600)])
    recorder.stop(FAREWELL)
    recorder._run()
    assert len(storage.rows) == 600
    assert storage.asked == ["write", "write", "write", "stop"]
    assert storage.stopped == FAREWELL
    assert told[-1] == HistoryClosed()


def test_the_last_writes_do_not_wait_for_the_time_of_the_next_try(recorder, storage, clock):
    fail(recorder, storage, clock, OperationalError("away"), times=10)
    storage.outage = None
    recorder.stop(FAREWELL)
    recorder._run()
    assert list(storage.rows) == [0]
    assert storage.stopped == FAREWELL


def test_the_last_writes_are_tried_again(recorder, storage, clock):
    storage.outage = OperationalError("away")
    recorder.put([an_end(1)])
    recorder.stop(FAREWELL)
    recorder.step()
    for _ in range(3):
        try_again(recorder, clock)
    recover(recorder, storage, clock)
    assert list(storage.rows) == [1]
    assert storage.stopped == FAREWELL


def test_the_last_writes_are_not_tried_again_after_an_error_in_the_program(
    recorder, storage, told, caplog
):
    recorder.put([an_end(1)])
    storage.outage = ZeroDivisionError("in the program")
    recorder.stop(FAREWELL)
    recorder._run()
    assert told[-1] == HistoryClosed()
    recorder.give_up()
    assert list(unsaved(caplog)) == [1]


def test_pruning_ends_when_the_runner_stops(recorder, storage):
    recorder.prune()
    recorder.step()
    recorder.stop(FAREWELL)
    recorder._run()
    assert storage.asked == ["prune", "stop"]


def test_what_could_not_be_saved_is_logged_in_full_one_line_each(recorder, storage, clock, caplog):
    fail(recorder, storage, clock, OperationalError("away"))
    failed = an_end(1, outcome=JobExecution.FAILED, error="E: ü", traceback="line\nline\n")
    recorder.put([failed, an_end(2)])
    caplog.clear()
    recorder.give_up()
    assert unsaved(caplog) == {
        0: json.loads(a_start(0).as_json()),
        1: json.loads(failed.as_json()),
        2: json.loads(an_end(2).as_json()),
    }
    assert not any("\n" in message for message in caplog.messages)


def test_a_recorder_that_gives_up_closes(recorder, storage, clock, told):
    fail(recorder, storage, clock, OperationalError("away"))
    recorder.give_up()
    recorder._run()
    assert told[-1] == HistoryClosed()
    assert not storage.rows


def test_an_error_that_ends_the_thread_is_told(recorder, storage, told):
    error = storage.outage = SystemExit("from a database driver")
    recorder.put([a_start()])
    recorder._run()
    assert told == [ThreadDied("the recorder of the history", error), HistoryClosed()]


def test_a_recorder_whose_connection_cannot_be_closed_is_closed_all_the_same(
    recorder, told, monkeypatch
):
    error = RuntimeError("cannot close")
    monkeypatch.setattr(connections, "close_all", mock.Mock(side_effect=error))
    recorder.give_up()
    with pytest.raises(RuntimeError):
        recorder._run()
    assert told == [HistoryClosed()]


def test_its_thread_works_until_the_farewell(storage):
    told = []
    closed = threading.Event()

    def tell(message):
        told.append(message)
        if message == HistoryClosed():
            closed.set()

    recorder = Recorder(storage, HEARTBEAT_INTERVAL)
    recorder.start(tell)
    recorder.put([a_start(1)])
    recorder.put([an_end(2)])
    recorder.stop(FAREWELL)
    assert closed.wait(20)
    assert sorted(storage.rows) == [1, 2]
    assert storage.stopped == FAREWELL


def test_no_history_keeps_nothing_and_closes_when_asked():
    told = []
    history = NoHistory()
    history.start(told.append)
    history.put([a_start()])
    history.beat(0.0)
    history.prune()
    assert history.forget(1)
    assert not told
    history.stop(FAREWELL)
    history.give_up()
    assert told == [HistoryClosed()]


# Under any faults, in any order.


class FaultyStorage(FakeStorage):
    """Fails when told to, before or after it has done what it was asked; refuses some records.

    When its rows are deleted, it refuses all until the runner is registered anew.
    """

    def __init__(self):
        super().__init__()
        self.faults = []  # of the next calls: None, or whether the work is done, and an error
        self.has_runner = False
        self.refused = set()
        self.refuse = self._refusal
        self.deleted = set()

    def delete_rows(self):
        self.deleted.update(self.rows)
        self.rows.clear()
        self.has_runner = False

    def register(self):
        with self._faulty():
            super().register()
            self.has_runner = True

    def write(self, records):
        with self._faulty():
            if not self.has_runner:
                raise IntegrityError("no such runner")
            super().write(records)
            self.deleted.difference_update(self.rows)

    def beat(self, dropped_executions):
        with self._faulty():
            super().beat(dropped_executions)

    def observe(self, looks):
        with self._faulty():
            super().observe(looks)

    def probe(self, dropped_executions):
        with self._faulty():
            super().probe(dropped_executions)

    def stop(self, *args, **kwargs):
        with self._faulty():
            super().stop(*args, **kwargs)

    @contextlib.contextmanager
    def _faulty(self):
        fault = self.faults.pop(0) if self.faults else None
        if fault and not fault[0]:
            raise fault[1]
        yield
        if fault:
            raise fault[1]

    def _refusal(self, record):
        return DataError("refused") if record.number in self.refused else None


class Recording(RuleBasedStateMachine):
    """Every execution ends up once, in a state that happened, and its last state wins.

    That is in the database, or in the log if it refuses it or is away at the end. Only those
    that outgrow the memory are dropped, and they are counted.
    """

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.storage = FaultyStorage()
        self.happened = {}  # by number, what was put, in order
        self.taken_back = set()
        self.messages = logging.handlers.BufferingHandler(10**9)
        self.logger = logging.getLogger("quick_jobs.history")
        self.logger.addHandler(self.messages)

    @initialize(capacity=st.sampled_from([5000, 10**9]))
    def begin(self, capacity):
        self.recorder = a_recorder(self.storage, self.clock, self.hear, capacity=capacity)

    def running(self):
        return [
            number
            for number, records in self.happened.items()
            if not records[-1].is_end and number not in self.taken_back
        ]

    def put(self, records):
        for record in records:
            self.happened.setdefault(record.number, []).append(record)
        self.recorder.put(records)

    @rule(count=st.integers(1, 4))
    def jobs_start(self, count):
        first = len(self.happened) + 1
        self.put([a_start(number) for number in range(first, first + count)])

    @precondition(running)
    @rule(data=st.data())
    def jobs_end(self, data):
        ended = data.draw(st.sets(st.sampled_from(self.running()), min_size=1))
        self.put([an_end(number, error=f"of {number}") for number in sorted(ended)])

    @precondition(running)
    @rule(data=st.data())
    def start_is_taken_back(self, data):
        number = data.draw(st.sampled_from(self.running()))
        if self.recorder.forget(number):
            self.taken_back.add(number)

    @rule(
        faults=st.lists(
            st.none()
            | st.tuples(
                st.booleans(),
                st.sampled_from(
                    [OperationalError("away"), InterfaceError("closed"), IntegrityError("no row")]
                ),
            ),
            max_size=8,
        )
    )
    def database_is_to_fail(self, faults):
        self.storage.faults = faults

    @precondition(running)
    @rule(data=st.data())
    def database_is_to_refuse(self, data):
        self.storage.refused.add(data.draw(st.sampled_from(self.running())))

    @rule()
    def rows_are_deleted(self):
        self.storage.delete_rows()

    @rule()
    def history_is_to_be_pruned(self):
        self.recorder.prune()

    @rule(seconds=st.sampled_from([0.0, 0.1, 2.0, 20.0]))
    def time_passes(self, seconds):
        self.clock.now += seconds
        looks = [Look(number, note=f"of {number}") for number in self.running()]
        self.recorder.beat(self.clock.now, looks)  # without, a step may have nothing to do
        self.recorder.step()

    @invariant()
    def every_look_is_of_an_execution_that_was_on_record(self):
        for number, look in self.storage.observed.items():
            assert look.note == f"of {number}"
            assert number in self.happened

    @invariant()
    def every_row_is_a_state_that_happened(self):
        for number, row in self.storage.rows.items():
            assert row in self.happened[number]
            assert number not in self.taken_back

    def hear(self, message):
        if isinstance(message, StartsRecorded):
            for number in message.numbers:
                assert number in self.storage.rows or number in self.logged()

    def logged(self):
        """Return what the log says was not saved, by number."""
        lines = [record.getMessage() for record in self.messages.buffer]
        records = [
            json.loads(line[line.index("{") :]) for line in lines if line.startswith("not saved")
        ]
        return {record["number"]: record for record in records}

    def teardown(self):
        if self.happened:
            self.runner_stops()
        self.logger.removeHandler(self.messages)

    def runner_stops(self):
        self.recorder.stop(FAREWELL)
        for _ in range(5):
            if not self.recorder._is_closed:
                self.time_passes(2.0)
        self.recorder.give_up()
        self.all_that_happened_is_somewhere()

    def all_that_happened_is_somewhere(self):
        rows, logged = self.storage.rows, self.logged()
        expected = self.happened.keys() - self.taken_back - self.storage.deleted
        missing = expected - rows.keys() - logged.keys()
        assert len(missing) <= self.recorder._backlog.dropped
        for number in rows.keys() | logged.keys():
            last = self.happened[number][-1]
            assert rows.get(number) == last or logged[number] == json.loads(last.as_json())


Recording.TestCase.settings = settings(stateful_step_count=40)
test_every_execution_ends_up_once_and_its_last_state_wins = Recording.TestCase
