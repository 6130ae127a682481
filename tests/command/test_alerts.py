"""A runner tells people: by mail, by a callable of the site's own, and by URLs that it fetches."""

import datetime as dt
import json
import signal
import time

import pytest
from django.db.models import F

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.listeners import mail_server, silent_server, web_server
from tests.site import wait_until

MAIL = """
import django

if django.VERSION >= (6, 1):
    MAILERS = {{
        "default": {{
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {{"host": "127.0.0.1", "port": {port}}},
        }}
    }}
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = "127.0.0.1", {port}
ADMINS = ["a@example.com"] if django.VERSION >= (6, 0) else [("A", "a@example.com")]
QUICK_JOBS_ALERTS = "quick_jobs.alerts.mail_admins"
"""

FAILS = """
from pathlib import Path
from quick_jobs import register_job

@register_job(0.1)
def sell(env):
    if not Path("stock").exists():
        raise ValueError("no stock, password=abc")
"""

#: Keeps every alert in a line of JSON.
TOLD = """
import json

def tell(alert):
    facts = [alert.kind, alert.job, alert.count, alert.subject, alert.text]
    facts.append(alert.execution and alert.execution.outcome)
    with open("told", "a") as file:
        file.write(json.dumps(facts) + "\\n")
"""


def told(site, name="told"):
    """Return the alerts there were: kind, job, count, subject, text and outcome of each."""
    path = site.path / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kinds(site, name="told"):
    return [(alert[0], alert[1]) for alert in told(site, name)]


@pytest.fixture
def telling_site(site):
    """A site with a callable of its own, and fast heartbeats."""
    site.write("shop/told.py", TOLD)
    site.settings(
        """
        QUICK_JOBS_ALERTS = "shop.told.tell"
        QUICK_JOBS_HEARTBEAT_INTERVAL = 0.2
        QUICK_JOBS_LOST_AFTER = 2
        """
    )
    return site


def wait_for_more_failures():
    before = JobExecution.objects.filter(outcome="failed").count()
    wait_until(lambda: JobExecution.objects.filter(outcome="failed").count() > before + 3)


def stop(runner):
    runner.send(signal.SIGTERM)
    return runner.wait()


def test_the_admins_are_mailed_a_first_failure_and_the_recovery_over_restarts(site):
    pytest.importorskip("aiosmtpd")
    site.write("shop/jobs.py", FAILS)
    site.write(
        "shop/secrets.py",
        """
        def hide(text):
            return text.replace("abc", "***")
        """,
    )
    with mail_server() as (port, messages):
        site.settings(MAIL.format(port=port))
        site.settings('QUICK_JOBS_LOG_FILTER = "shop.secrets.hide"')
        for _ in range(2):
            runner = site.start("run_jobs")
            wait_for_more_failures()
            assert stop(runner) == 0
        (site.path / "stock").touch()
        runner = site.start("run_jobs")
        wait_until(lambda: len(messages) > 1)
        assert stop(runner) == 0
    failing, recovered = messages
    assert failing["subject"] == "[Django] shop.jobs.sell fails: ValueError: no stock, password=***"
    text = failing.get_payload(decode=True).decode()
    assert 'raise ValueError("no stock, password=***")' in text
    assert recovered["subject"] == "[Django] shop.jobs.sell works again"
    assert f"{JobExecution.objects.filter(outcome='failed').count()} times in a row" in (
        recovered.get_payload(decode=True).decode()
    )


def an_hour_later():
    """Let all that is on record have happened an hour earlier."""
    hour = dt.timedelta(hours=1)
    JobExecution.objects.update(
        started_at=F("started_at") - hour, finished_at=F("finished_at") - hour
    )
    Job.objects.update(alerted_at=F("alerted_at") - hour)


def fail_for_a_while(site):
    runner = site.start("run_jobs")
    wait_for_more_failures()
    assert stop(runner) == 0
    an_hour_later()
    return runner.output


def test_an_alert_that_could_not_be_mailed_is_mailed_once_when_it_can_be(site):
    pytest.importorskip("aiosmtpd")
    site.write("shop/jobs.py", FAILS)
    with mail_server() as (port, messages):
        site.settings(MAIL.format(port=port))
        site.settings("RECIPIENTS, ADMINS = ADMINS, []")
        assert "could not be sent" in fail_for_a_while(site)
        assert not messages
        assert Job.objects.get().alerted_at is None

        site.settings("ADMINS = RECIPIENTS")
        assert site.run("check_jobs", "--test-alert").returncode == 0
        for _ in range(2):
            fail_for_a_while(site)
    test, failing = messages
    assert test["subject"].startswith("[Django] Test: ")
    assert failing["subject"].startswith("[Django] shop.jobs.sell fails: ")
    assert Job.objects.get().alerted_at


def test_alerts_that_are_switched_on_begin_with_what_is_failing_already(telling_site):
    site = telling_site
    site.write("shop/jobs.py", FAILS)
    site.settings("TELL, QUICK_JOBS_ALERTS = QUICK_JOBS_ALERTS, None")
    fail_for_a_while(site)
    assert not told(site)
    site.settings("QUICK_JOBS_ALERTS = TELL")
    for _ in range(2):
        fail_for_a_while(site)
    assert kinds(site) == [("failing", "shop.jobs.sell")]


def test_a_mail_server_that_hangs_delays_no_job_and_the_end_by_two_seconds(site):
    site.write("shop/jobs.py", FAILS)
    with silent_server() as (port, taken):
        site.settings(MAIL.format(port=port))
        runner = site.start("run_jobs")
        wait_until(lambda: taken)
        wait_for_more_failures()
        began = time.monotonic()
        assert stop(runner) == 0
        assert time.monotonic() - began < 2 + 3  # and what a busy machine takes
        assert "alerts or pings were not sent in time" in runner.output
        assert len(taken) == 1


def test_a_timeout_a_fatal_error_and_a_killed_runner_are_told_once_each(telling_site):
    site = telling_site
    site.write(
        "shop/jobs.py",
        """
        import threading
        import time
        from pathlib import Path
        from quick_jobs import at, register_job

        mode = Path("mode").read_text()

        @register_job(3600, timeout=0.3, enabled=mode == "timeout")
        def hangs(env):
            time.sleep(30)

        @register_job(3600, enabled=mode == "timeout")
        def stays(env):
            time.sleep(30)

        @register_job(3600, enabled=mode == "fatal")
        def breaks(env):
            env.request_fatal_errors()
            raise ValueError("broken")

        @register_job(0.2, enabled=mode == "kill")
        def works(env): ...
        """,
    )
    site.write("mode", "timeout")
    for _ in range(2):
        assert site.run("run_jobs", "--stop-timeout", "0.2").returncode == 1
    assert sorted(kinds(site)) == [
        ("abandoned", "shop.jobs.stays"),
        ("timed_out", "shop.jobs.hangs"),
    ]
    assert {alert[-1] for alert in told(site)} == {"abandoned", "timed_out"}

    site.write("told", "")
    site.write("mode", "fatal")
    for _ in range(2):
        assert site.run("run_jobs").returncode == 1
    assert kinds(site) == [("failing", "shop.jobs.breaks"), ("runner_failed", None)]

    site.write("told", "")
    site.write("mode", "kill")
    runner = site.start("run_jobs")
    wait_until(lambda: JobExecution.objects.filter(job__name="shop.jobs.works").count() > 1)
    runner.kill()
    for _ in range(2):
        runner = site.start("run_jobs")
        runner.wait_for_output("the history is kept")
        wait_until(lambda: told(site))
        assert stop(runner) == 0
    [(kind, job, count, subject, text, _)] = told(site)
    assert (kind, job, count) == ("runner_lost", None, 1)
    assert subject.endswith("vanished")
    assert "Starts that were missed:\n- shop.jobs.works: " in text


def test_what_runs_for_much_longer_than_usual_is_told_once(telling_site):
    site = telling_site
    site.write(
        "shop/jobs.py",
        """
        from quick_jobs import register_job

        runs = []

        @register_job(0.5)
        def works(env):
            runs.append(None)
            if len(runs) > 3:
                env.sleep(60)
        """,
    )
    runner = site.start("run_jobs")
    wait_until(lambda: told(site))
    beats = JobRunner.objects.get().last_heartbeat_at
    wait_until(lambda: JobRunner.objects.get().last_heartbeat_at > beats)
    assert stop(runner) == 0
    assert kinds(site) == [("stuck", "shop.jobs.works")]
    assert told(site)[0][-1] == "running"


def test_urls_are_fetched_at_starts_ends_and_heartbeats(site):
    with web_server() as (address, paths):
        site.write(
            "shop/jobs.py",
            f"""
            from quick_jobs import register_job

            @register_job(3600, ping="{address}/uuid-1?rid=7")
            def works(env): ...

            @register_job(3600, ping="{address}/secret?state={{status}}", variance=0)
            def fails(env):
                raise ValueError

            @register_job(3600, ping="{address}/missing")
            def is_interrupted(env):
                env.sleep(60)
            """,
        )
        site.settings(f'QUICK_JOBS_HEARTBEAT_URL = "{address}/beat"')
        runner = site.start("run_jobs", "--no-history")
        wait_until(lambda: len(paths) >= 7)
        assert stop(runner) == 0
    assert sorted(paths) == [
        "/beat",
        "/missing/start",
        "/missing/start",
        "/secret?state=fail",
        "/secret?state=start",
        "/uuid-1/start?rid=7",
        "/uuid-1?rid=7",
    ]
    port = address.rpartition(":")[2]
    warning = f"http://127.0.0.1:{port}/… could not be fetched: the answer was 404"
    assert runner.output.count(warning) == 1
    assert "missing" not in runner.output


def test_without_a_setting_and_a_ping_there_is_no_thread(site):
    site.write(
        "shop/jobs.py",
        """
        import threading
        from quick_jobs import register_job

        @register_job(3600)
        def works(env):
            print("threads:", sorted(thread.name for thread in threading.enumerate()))
            env.request_stop()
        """,
    )
    completed = site.run("run_jobs")
    assert "quick_jobs worker" in completed.stdout
    assert "quick_jobs alerts" not in completed.stdout
