"""Workers tell people: by mail, by a callable of the site's own, and by URLs that they fetch."""

import datetime as dt
import os
import signal
import time

import pytest

from quick_jobs.models import JobExecution, JobRunner
from tests.celery.sites import HEARTBEAT_INTERVAL, LOST_AFTER, executions, outcomes
from tests.command.test_alerts import MAIL, TOLD, kinds, told
from tests.conftest import wait_until
from tests.listeners import mail_server, silent_server, web_server

pytestmark = [pytest.mark.celery, pytest.mark.timeout(300)]

#: From one look of a worker at the others to the next.
SECOND_LOOK = dt.timedelta(seconds=LOST_AFTER + HEARTBEAT_INTERVAL)

SELLS = """
    @register_job(interval=3600)
    def sell(env):
        if not os.path.exists("stock"):
            raise ValueError("no stock")
"""

LONG = """
    @register_job(interval=3600)
    def long(env):
        tell("began")
        time.sleep(600)
"""


@pytest.fixture
def telling_site(site):
    """A site with a callable of its own."""
    site.write("shop/told.py", TOLD.replace('"told"', '"alerts"'))
    site.settings('QUICK_JOBS_ALERTS = "shop.told.tell"')
    return site


def alerts(site):
    """Return kind and job of each alert there was."""
    return kinds(site, "alerts")


def run(site, job, **options):
    """Have a job run, and wait for its end."""
    count = JobExecution.objects.filter(finished_at__isnull=False).count()
    site.send(job, **options)
    ended = JobExecution.objects.filter(finished_at__isnull=False)
    wait_until(lambda: ended.count() > count, 60)


def stop(worker):
    worker.send(signal.SIGTERM)
    return worker.wait(60)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_alerts_and_pings_are_sent_in_each_pool(telling_site, pool):
    site = telling_site
    with web_server() as (address, paths):
        site.settings(f'QUICK_JOBS_HEARTBEAT_URL = "{address}/beat"')
        site.jobs(f"""
            @register_job(interval=3600, ping="{address}/sell")
            def sell(env):
                if not os.path.exists("stock"):
                    env.note("looked")
                    raise ValueError("no stock")

            @register_job(interval=3600, ping="{address}/sleeps?state={{status}}")
            def sleeps(env):
                env.sleep(600)
        """)
        worker = site.worker(pool=pool)
        run(site, "sell")
        run(site, "sell")
        site.write("stock", "")
        run(site, "sell")
        site.send("sleeps")
        wait_until(lambda: "/sleeps?state=start" in paths, 30)
        assert stop(worker) == 0
    assert alerts(site) == [("failing", "shop.jobs.sell"), ("recovered", "shop.jobs.sell")]
    failing, recovered = told(site, "alerts")
    assert failing[3] == "shop.jobs.sell fails: ValueError: no stock"
    assert 'raise ValueError("no stock")' in failing[4]
    assert "Note: looked" in failing[4]
    assert (recovered[2], recovered[5]) == (2, "succeeded")
    pings = [path for path in paths if path != "/beat"]
    assert pings == [
        *["/sell/start", "/sell/fail"] * 2,
        *["/sell/start", "/sell", "/sleeps?state=start"],
    ]
    assert paths.count("/beat") == 1


def test_workers_that_share_a_job_make_one_alert_of_an_event(telling_site):
    site = telling_site
    site.settings("QUICK_JOBS_ALERT_AFTER = 2")
    site.jobs(SELLS)
    workers = [site.worker("-Q", name) for name in ("one", "two")]
    site.write("stock", "")
    run(site, "sell", queue="one")
    for first, second in (("one", "two"), ("two", "one")):
        (site.path / "stock").unlink()
        for queue in (first, second, first):
            run(site, "sell", queue=queue)
        site.write("stock", "")
        for queue in (second, first):
            run(site, "sell", queue=queue)
    for worker in workers:
        assert stop(worker) == 0
    job = "shop.jobs.sell"
    assert alerts(site) == [("failing", job), ("recovered", job)] * 2


def test_the_admins_are_mailed_though_there_is_no_history(site):
    pytest.importorskip("aiosmtpd")
    site.jobs(SELLS)
    with mail_server() as (port, messages):
        site.settings(MAIL.format(port=port))
        site.settings("DATABASES = {'default': {'ENGINE': 'django.db.backends.dummy'}}")
        worker = site.worker()
        site.send("sell")
        wait_until(lambda: messages, 30)
        assert stop(worker) == 0
    (message,) = messages
    assert message["subject"] == "[Django] shop.jobs.sell fails: ValueError: no stock"
    assert 'raise ValueError("no stock")' in message.get_payload(decode=True).decode()


def test_a_mail_server_that_hangs_delays_no_job_and_the_end_by_two_seconds(site):
    site.jobs(SELLS)
    with silent_server() as (port, taken):
        site.settings(MAIL.format(port=port))
        worker = site.worker("--max-tasks-per-child=1")  # new children are forked meanwhile
        run(site, "sell")
        wait_until(lambda: taken)
        for _ in range(3):
            run(site, "sell")
        began = time.monotonic()
        assert stop(worker) == 0
        took = time.monotonic() - began
        stopped = JobRunner.objects.get().stopped_at
        assert "alerts or pings were not sent in time" in worker.output
        assert len(taken) == 1
    assert stopped is not None
    site.settings("QUICK_JOBS_ALERTS = None")
    worker = site.worker("--max-tasks-per-child=1")
    began = time.monotonic()
    assert stop(worker) == 0
    assert took - (time.monotonic() - began) < 2 + 2  # and what a busy machine takes


def test_what_celery_kills_makes_an_alert_once(telling_site):
    site = telling_site
    site.jobs("""
        @register_job(interval=3600, timeout=1)
        def slow(env):
            time.sleep(60)

        @register_job(interval=3600, timeout=1)
        def hangs(env):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
            time.sleep(60)

        @register_job(interval=3600)
        def kills(env):
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    worker = site.worker(concurrency=3)
    for name in ("slow", "hangs", "kills"):
        site.send(name)
    wait_until(lambda: len(alerts(site)) == 3, 60)
    assert stop(worker) == 0
    assert sorted(alerts(site)) == [
        ("failing", "shop.jobs.kills"),
        ("timed_out", "shop.jobs.hangs"),
        ("timed_out", "shop.jobs.slow"),
    ]
    assert all("exit status" not in alert[4] for alert in told(site, "alerts"))


def test_what_runs_for_much_longer_than_usual_makes_an_alert_once(telling_site):
    site = telling_site
    site.jobs("""
        @register_job(interval=1)
        def works(env):
            tell("began")
            if times_told() > 3:
                env.sleep(600)
    """)
    worker = site.worker()
    for _ in range(3):
        run(site, "works")
    site.send("works")
    wait_until(lambda: alerts(site), 30)
    beats = JobRunner.objects.get().last_heartbeat_at
    wait_until(lambda: JobRunner.objects.get().last_heartbeat_at > beats)
    assert stop(worker) == 0
    assert alerts(site) == [("stuck", "shop.jobs.works")]
    assert told(site, "alerts")[0][-1] == "running"


def test_a_fatal_error_is_told_with_what_was_abandoned_and_received(telling_site):
    pytest.importorskip("celery", "5.5")  # older ones cannot be hurried while they stop
    site = telling_site
    site.write(
        "shop/receivers.py",
        """
        import json

        from django.dispatch import receiver

        from quick_jobs.signals import runner_stopped

        @receiver(runner_stopped)
        def note(signal, sender, **facts):
            with open("stopped", "a") as file:
                file.write(json.dumps(facts, sort_keys=True) + "\\n")
        """,
    )
    site.jobs("""
        import shop.receivers

        @register_job(interval=3600)
        def long(env):
            tell("began")
            time.sleep(600)

        @register_job(interval=3600)
        def breaks(env):
            env.request_fatal_errors()
            raise ValueError("broken")
    """)
    worker = site.worker()
    site.send("long")
    wait_until(site.told)
    site.send("breaks")
    wait_until(lambda: outcomes("breaks") == ["failed"])
    worker.wait_for_output("Warm shutdown", 30)
    worker.send(signal.SIGQUIT)
    assert worker.wait(60) != 0
    assert outcomes("long") == ["abandoned"]
    worker = site.worker()
    site.send("breaks")
    assert worker.wait(60) == 1
    assert sorted(alerts(site), key=str) == [
        ("abandoned", "shop.jobs.long"),
        ("failing", "shop.jobs.breaks"),
        ("runner_failed", None),
    ]
    lines = (site.path / "stopped").read_text().splitlines()
    facts = '"detail": "shop.jobs.breaks: ValueError: broken", "exit_status": 1'
    assert [line.count(facts) for line in lines] == [1, 1]


def test_the_oldest_worker_reports_one_that_was_killed(telling_site):
    site = telling_site
    site.jobs(LONG)
    workers = [site.worker("-Q", name) for name in ("one", "two", "three")]
    site.send("long", queue="two")
    wait_until(lambda: outcomes("long") == ["running"], 30)
    os.killpg(workers[1].pid, signal.SIGKILL)
    wait_until(lambda: alerts(site), 60)
    looked = JobRunner.objects.alive().order_by("pk")[1].last_heartbeat_at
    newest = site.worker("-Q", "four")
    wait_until(  # all that live have looked around
        lambda: (
            min(row.last_heartbeat_at for row in JobRunner.objects.alive()) - looked
            > SECOND_LOOK * 2
        ),
        60,
    )
    for worker in (workers[0], workers[2], newest):
        assert stop(worker) == 0
    ((kind, _, count, subject, text, _),) = told(site, "alerts")
    assert (kind, count) == ("runner_lost", 1)
    assert f"({workers[1].pid})" in subject
    assert "Running then:\n- shop.jobs.long, since" in text
    assert f"({workers[0].pid}) has run since" in text
    assert "missed" not in text
    assert len(executions()) == 1


def test_a_worker_that_is_told_to_stop_at_once_makes_no_alert(telling_site):
    site = telling_site
    site.jobs(LONG)
    worker = site.worker()
    site.send("long")
    wait_until(site.told)
    worker.send(signal.SIGQUIT)
    worker.wait(60)
    assert outcomes("long") == ["abandoned"]
    assert alerts(site) == []
