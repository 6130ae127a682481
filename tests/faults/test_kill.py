"""The process is killed at any moment: what is on record stays, and what ran is shown as lost."""

import random
import signal
import time
from collections import defaultdict

import pytest
from django.utils.html import strip_tags

from quick_jobs.models import JobExecution
from tests.faults.shops import BUSY, STEADY
from tests.site import wait_until

pytestmark = pytest.mark.faults

KILLS = 50
AT_ONCE = 5

# Says all that a job can say, and then does not come back.
TALKS = """
    import logging

    @register_job(interval=3600)
    def talks(env):
        print("400 to send")
        logging.getLogger("shop.mail").warning("the mail server is slow")
        env.note("12 sent")
        env.progress(12, 400)
        waits_for_the_mail_server(env)

    def waits_for_the_mail_server(env):
        time.sleep(3600)
"""

PAGE = """
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
client = Client()
with transaction.atomic():
    client.force_login(User.objects.create_superuser("admin", "admin@example.com", "secret"))
    print(client.get("/admin/quick_jobs/jobexecution/{}/change/").content.decode())
    transaction.set_rollback(True)  # the next test has the same server
"""


def ends_on_record(shop, pid):
    return {
        execution.number: (execution.job.name, execution.outcome, execution.finished_at)
        for execution in shop.executions(runner__pid=pid)
        if execution.outcome != "running"
    }


def test_what_was_on_record_stays_and_what_ran_is_lost(any_shop):
    shop = any_shop
    # So that no start goes without its record, however busy the machine is.
    shop.settings("QUICK_JOBS_START_RECORD_TIMEOUT = 60")
    shop.jobs(STEADY, BUSY)
    before = {}
    for _ in range(KILLS // AT_ONCE):
        runners = [shop.start("run_jobs") for _ in range(AT_ONCE)]
        for number, runner in enumerate(runners):
            if number:  # the first may be killed before it gets to work
                pids = [str(runner.pid)]
                wait_until(lambda: pids[0] in [each[2] for each in shop.told()])  # noqa: B023
            time.sleep(random.random() / 2)
            before[runner.pid] = ends_on_record(shop, runner.pid)
            runner.send(signal.SIGKILL)
            assert runner.wait() == -signal.SIGKILL
    assert len(before) == KILLS
    assert sum(map(len, before.values())) > 10 * KILLS

    for pid, ends in before.items():
        after = ends_on_record(shop, pid)
        assert {number: after.get(number) for number in ends} == ends
    records = defaultdict(list)
    for execution in shop.executions():
        records[execution.runner.pid, execution.job.name].append(execution)
    visits = shop.visits()
    assert visits.keys() <= records.keys()
    for key, executions in records.items():
        seen = visits.get(key, [])
        # A start that was on record when its job had not begun yet is the last there is.
        assert len(executions) - len(seen) in (0, 1), key
        for execution, visit in zip(executions, seen):
            assert visit.ended or execution.outcome == "running"
        for execution in executions[:-1]:  # the next one began after their end was known
            assert execution.outcome in ("succeeded", "failed", "running")
        for execution in executions[len(seen) :]:
            assert execution.outcome == "running"

    wait_until(lambda: not shop.runners("alive"))
    # One that was killed as soon as it was registered has no executions.
    assert (
        {pid for pid, _ in records} <= {runner.pid for runner in shop.runners("lost")} <= {*before}
    )
    with shop.database() as using:
        lost = JobExecution.objects.using(using).lost().count()
    assert lost == shop.count(outcome="running") > 0


def test_what_a_killed_job_said_and_where_it_was_is_on_its_page(any_shop):
    shop = any_shop
    shop.add_admin()
    shop.settings(
        """
        QUICK_JOBS_HEARTBEAT_INTERVAL = 0.5
        QUICK_JOBS_LOST_AFTER = 2
        ALLOWED_HOSTS = ["*"]
        """
    )
    shop.jobs(TALKS)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(stack__contains="waits_for_the_mail_server"))
    runner.send(signal.SIGKILL)
    assert runner.wait() == -signal.SIGKILL
    (execution,) = shop.executions()
    assert execution.outcome == "running"
    assert execution.observed_at >= execution.started_at
    assert [line.split()[1:] for line in execution.log.splitlines()] == [
        ["stdout", "400", "to", "send"],
        ["WARNING", "shop.mail", "the", "mail", "server", "is", "slow"],
    ]
    assert (execution.note, execution.progress_done, execution.progress_total) == (
        "12 sent",
        12.0,
        400.0,
    )
    wait_until(lambda: shop.states() == (0, 1, 0))
    page = shop.run("shell", "--verbosity=0", "-c", PAGE.format(execution.pk))
    assert page.returncode == 0, page.stderr
    text = " ".join(strip_tags(page.stdout).split())
    assert "Lost: the process vanished between" in text
    for said in ("400 to send", "the mail server is slow", "12 sent", "in waits_for_the"):
        assert said in text
