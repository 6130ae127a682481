"""The database stops, freezes, or is not there: the jobs go on, and the history catches up."""

import datetime as dt
import json
import re
import signal
import time

import pytest

from tests.faults.shops import STEADY, TALKATIVE, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

STOP_TIMEOUT = 5.0

#: What a busy machine may take for the end of a process, in seconds.
EXIT = 4.0

# Fails as soon as it may, with 60 KB of message; half a thousand times that fill the memory.
NOISY = """
    @register_job(interval=0)
    def noisy(env):
        with seen("noisy"):
            time.sleep(0.5 if os.path.exists("calm") else 0.001)
            raise ValueError("x" * 60_000)
"""

QUIET = """
    LOGGING = {
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {
            "quick_jobs": {"handlers": ["console"], "level": "INFO"},
            "quick_jobs.execution": {"level": "CRITICAL"},
        },
    }
"""


def test_a_stopped_server_delays_no_job_and_costs_no_record(server, server_shop):
    shop = server_shop
    shop.jobs(STEADY, TALKATIVE)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(observed_at__isnull=False) and shop.count() >= 30)
    server.stop()
    time.sleep(10)
    server.start()
    shop.wait_for_heartbeat()
    shop.wait_for_more()
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true()
    shop.assert_all_is_there_that_was_said()
    assert shop.runner().stopped_at
    assert "the history cannot be written" in runner.output
    assert "the history is written again" in runner.output


def test_a_frozen_server_delays_each_job_once_at_most(server, server_shop):
    shop = server_shop
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    server.freeze()
    time.sleep(10)
    server.thaw()
    shop.wait_for_heartbeat()
    shop.wait_for_more()
    stop(runner)
    shop.assert_starts_were_late_once_at_most()
    shop.assert_history_is_true()


def test_a_runner_that_begins_without_the_server_registers_when_it_comes(server, server_shop):
    shop = server_shop
    shop.jobs(STEADY)
    server.stop()
    runner = shop.start("run_jobs")
    runner.wait_for_output("the history cannot be written")
    wait_until(lambda: len(shop.visits()) == 10)
    server.start()
    runner.wait_for_output("the history is kept in the database")
    shop.wait_for_heartbeat()
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true()


@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_what_cannot_be_saved_in_the_end_is_in_the_log_in_full(server, server_shop, fault):
    shop = server_shop
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    getattr(server, fault)()
    known = shop.number_of_visits()
    wait_until(lambda: shop.number_of_visits() >= known + 40)
    runner.send(signal.SIGTERM)
    asked = time.monotonic()
    assert runner.wait() == 0, runner.output
    assert time.monotonic() - asked < STOP_TIMEOUT + EXIT
    server.recover()
    wait_until(lambda: not server.sessions())  # what a frozen server was sent, it may have done yet
    saved = {each.number: each for each in shop.executions()}
    logged = {
        record["number"]: record
        for record in map(json.loads, re.findall(r" ERROR not saved: (.*)\n", runner.output))
    }
    visits = [visit for visits in shop.visits().values() for visit in visits]
    numbers = saved.keys() | logged.keys()
    assert numbers == set(range(1, len(numbers) + 1))
    never_began = {
        number
        for number, outcome, lateness in [
            *((number, each["outcome"], each["lateness"]) for number, each in logged.items()),
            *((number, each.outcome, each.lateness) for number, each in saved.items()),
        ]
        if outcome == "interrupted" and lateness is None
    }
    logged = {number: logged[number] for number in logged.keys() - never_began}
    numbers -= never_began
    assert len(numbers) == len(visits)
    assert len(logged) >= 40
    for record in logged.values():
        assert record["outcome"] in ("succeeded", "failed", "interrupted")
        assert bool(record["error"] and record["traceback"]) == (record["outcome"] == "failed")
        began, ended = map(dt.datetime.fromisoformat, (record["started_at"], record["finished_at"]))
        assert abs((ended - began).total_seconds() - record["duration"]) < 0.001
        assert any(
            record["job"] == f"shop.jobs.{visit.job}"
            and began.timestamp() <= visit.began
            and visit.ended <= ended.timestamp() + 0.01
            for visit in visits
        )
    for number, execution in saved.items():
        assert number in logged.keys() | never_began or execution.outcome != "running"


def test_beyond_the_memory_set_aside_the_newest_are_kept_and_the_others_counted(
    server, server_shop
):
    shop = server_shop
    shop.jobs(NOISY)
    shop.settings(QUIET)
    runner = shop.start("run_jobs")
    shop.wait_for_more()
    server.stop()
    memory = resident_memory(runner.pid)
    executions = shop.number_of_visits() + 1500
    wait_until(lambda: shop.number_of_visits() >= executions, 60)
    assert resident_memory(runner.pid) - memory < 100
    shop.write("calm", "")  # a server that is slower than the job would cost more
    server.start()
    runner.wait_for_output("the history is written again", 60)
    (told,) = re.findall(r"(\d+) executions were dropped", runner.output)
    wait_until(lambda: shop.runner().dropped_executions == int(told))
    wait_until(lambda: shop.number_of_visits() - shop.count() - int(told) < 20, 60)  # all but news
    stop(runner)
    assert "the memory for the history is full" in runner.output
    assert shop.runner().dropped_executions == int(told)
    kept = {execution.number for execution in shop.executions()}
    missing = set(range(1, shop.number_of_visits() + 1)) - kept
    assert len(missing) == int(told) > 100
    assert missing == set(range(min(missing), max(missing) + 1))  # the oldest of the outage
    assert shop.count(outcome="running") == 0


def resident_memory(pid):
    """Return the megabytes that a process holds."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024
