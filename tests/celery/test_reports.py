"""What children report to their main process, and what it makes of that. No broker is needed."""

import contextlib
import json
import math

import pytest

from quick_jobs.history.record import Record
from quick_jobs.runner.observer import Observer
from tests.conftest import wait_until
from tests.records import MOMENT, NAME, a_job, a_start, an_end

pytestmark = pytest.mark.celery


class Noting(Observer):
    """Notes what it hears."""

    def __init__(self):
        self.heard = []

    def started(self, execution):
        self.heard.append((execution.number, "started"))

    def ended(self, execution, record):
        assert execution.number == record.number
        self.heard.append((record.number, record.outcome))

    def look(self, now, is_stopping, running):
        self.running = sorted(execution.number for execution in running.at_work())


@pytest.fixture
def noting(monkeypatch):
    from quick_jobs.contrib.celery import telling

    noting = Noting()
    monkeypatch.setattr(
        telling, "telling", lambda jobs, identity, is_kept: contextlib.nullcontext([noting])
    )
    return noting


@pytest.fixture
def telling(noting):
    """What passes on to ``noting`` what children report; nobody listens to them yet."""
    from quick_jobs.contrib.celery.telling import Telling

    return Telling([a_job()], has_children=True)


@pytest.fixture
def observer(telling):
    """What observes the executions of a child."""
    return telling.of_a_child()


def begin(observer, number):
    observer.started(Reported(a_start(number)))


def end(observer, number, **changes):
    record = an_end(number, **changes)
    observer.ended(Reported(record), record)


class Reported:
    """As much of an execution as is reported."""

    def __init__(self, record):
        self._record = record

    def record(self):
        return self._record


def test_what_children_report_is_passed_on_by_a_thread(telling, noting, observer):
    telling.start(None, True)
    begin(observer, 1)
    begin(observer, 2)
    end(observer, 1, outcome="failed", error="ValueError: \ud800", traceback="x" * 100_000)
    wait_until(lambda: noting.heard == [(1, "started"), (2, "started"), (1, "failed")])


def test_what_runs_in_children_is_looked_at(telling, noting, observer):
    telling.start(None, True)
    begin(observer, 1)
    begin(observer, 2)
    end(observer, 2)
    telling.look(0.0, False, None)
    assert noting.running == [1]


def test_a_killed_child_has_one_end_after_all_that_it_reported(telling, noting, observer):
    telling.start(None, True)
    for number in (1, 2):
        begin(observer, number)
    end(observer, 2)
    for number in (1, 2, 1):
        telling.killed(an_end(number, outcome="failed"))
    assert noting.heard == [(1, "started"), (2, "started"), (2, "succeeded"), (1, "failed")]


def test_an_execution_that_may_not_have_begun_is_not_said_to_be_abandoned(telling, noting):
    telling.start(None, True)
    telling.killed(an_end(1, outcome="abandoned"))
    telling.killed(an_end(2, outcome="failed"))
    assert noting.heard == [(2, "failed")]


def test_a_child_does_not_wait_for_a_main_process_that_hangs(observer):
    for number in range(5000):  # nobody listens
        begin(observer, number)


@pytest.mark.parametrize("limit", [512, 4096])
def test_a_report_has_as_much_of_its_texts_as_is_written_at_once(limit):
    from quick_jobs.contrib.celery.report_line import line_of

    record = an_end(7, outcome="failed", error="é" * 255, traceback="über " * 10_000 + "the end")
    line = line_of(record, limit)
    assert len(line) <= limit
    found = Record(*json.loads(line))
    assert (found.number, found.job, found.started_at) == (7, NAME, MOMENT)
    assert record.error.startswith(found.error)
    assert record.traceback.endswith(found.traceback)
    assert bool(found.traceback) == (limit == 4096)
    assert line_of(record._replace(job="x" * 600), 512) == b""
    assert math.isclose(found.duration, 2.5)
