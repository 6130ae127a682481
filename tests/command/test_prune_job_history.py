"""``manage.py prune_job_history`` as a process, also beside runners."""

from __future__ import annotations

import re
import signal
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.faults.servers import new_connection
from tests.old_history import a_job, a_stopped_runner, ago, an_execution, executions_at
from tests.site import wait_until

with_signals = pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals to send")


def test_jobs_that_are_in_no_app_go_and_those_in_the_code_stay(site):
    site.write(
        "shop/jobs.py",
        """
        from quick_jobs import register_job

        @register_job(interval=60)
        def work(env):
            pass
        """,
    )
    for name in ("shop.jobs.work", "shop.jobs.was_renamed"):
        a_job(name)
    assert site.run("prune_job_history", "--older-than=30d").returncode == 0
    assert Job.objects.get().name == "shop.jobs.work"


def test_when_jobs_cannot_be_imported_they_stay_and_old_executions_go(site):
    site.write("shop/jobs.py", "1 / 0")
    an_execution(started=40)
    completed = site.run("prune_job_history", "--older-than=30d")
    assert completed.returncode == 0
    assert "Jobs are kept" in completed.stderr
    assert "ZeroDivisionError" in completed.stderr
    assert not JobExecution.objects.exists()
    assert Job.objects.exists()


def test_it_succeeds_and_says_nothing_else_when_run_as_a_process(site):
    an_execution(started=40)
    completed = site.run("prune_job_history", "--older-than=30d")
    assert completed.returncode == 0
    assert completed.stderr == ""
    assert completed.stdout.startswith("Deleted 1 execution")


@with_signals
def test_ctrl_c_ends_the_process_with_what_it_did_done(site):
    executions_at([ago(40)] * 3000)
    process = site.start("prune_job_history", "--older-than=30d", "--batch-size=1")
    wait_until(lambda: JobExecution.objects.count() < 3000)
    process.send(signal.SIGINT)
    assert process.wait() == 130
    (deleted,) = re.findall(r"Stopped early\. Deleted ([\d,]+) executions? in", process.output)
    assert JobExecution.objects.count() == 3000 - int(deleted.replace(",", ""))
    assert "Traceback" not in process.output


def test_without_tables_it_says_to_migrate(site):
    site.settings(
        """
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "empty.sqlite3"}}
        """
    )
    completed = site.run("prune_job_history", "--older-than=30d")
    assert completed.returncode == 1
    assert "Stopped early. Nothing was deleted." in completed.stderr
    assert "run 'manage.py migrate'" in completed.stderr
    assert "Traceback" not in completed.stderr


class ToNowhere:
    def db_for_write(self, model, **hints):
        return "nowhere"


def test_a_database_that_does_not_answer_is_told_in_one_line(transactional_db, settings, tmp_path):
    path = tmp_path / "no" / "where"
    nowhere = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    connections["nowhere"] = new_connection(nowhere, "nowhere")
    settings.DATABASE_ROUTERS = [ToNowhere()]
    try:
        with pytest.raises(CommandError) as refusal:
            call_command("prune_job_history", "--older-than=30d")
    finally:
        del connections["nowhere"]
    assert "unable to open database file" in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_without_an_age_and_a_retention_it_says_what_to_give(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = None
    with pytest.raises(CommandError) as refusal:
        call_command("prune_job_history")
    told = str(refusal.value)
    assert "--older-than 30d" in told
    assert "QUICK_JOBS_HISTORY_RETENTION" in told
    assert len(told.splitlines()) == 1


def test_live_runners_and_prunings_do_each_other_no_harm(site):
    site.settings("QUICK_JOBS_HISTORY_RETENTION = 0.3")
    site.write(
        "shop/jobs.py",
        """
        from quick_jobs import register_job
        from quick_jobs.runner import maintenance

        # So that every runner prunes, often.
        maintenance._FIRST_PRUNE = maintenance._PRUNE_INTERVAL = 0.2


        @register_job(interval=0.02)
        def quick(env):
            pass


        @register_job(interval=0)
        def slow(env):
            env.sleep(600)
        """,
    )
    executions_at([ago(40 - number / 1000) for number in range(1500)], runner=a_stopped_runner())
    runners = [site.start("run_jobs") for _ in range(2)]
    for runner in runners:
        runner.wait_for_output("the history is kept", timeout=60)
    prunings = [site.start("prune_job_history", "--older-than=0s") for _ in range(2)]
    for process in prunings:
        assert process.wait(timeout=60) == 0, process.output
    newest = JobExecution.objects.order_by("-pk").values_list("pk", flat=True)
    seen = newest.first()
    wait_until(lambda: newest.first() > seen + 50, timeout=60)  # recording goes on
    finished = JobExecution.objects.exclude(outcome="running")
    wait_until(
        lambda: not finished.filter(pk__lte=seen).exists(), timeout=60
    )  # and the runners prune
    assert JobRunner.objects.alive().count() == 2
    assert JobExecution.objects.running().filter(job__name="shop.jobs.slow").count() == 2
    for runner in runners:
        runner.send(signal.SIGTERM)
    for runner in runners:
        assert runner.wait(timeout=60) == 0, runner.output
    for process in runners + prunings:
        assert not re.search("Traceback|ERROR|WARNING|fail", process.output), process.output
    assert JobRunner.objects.stopped().count() == 2
    assert not JobExecution.objects.filter(outcome="running").exists()
    assert JobExecution.objects.filter(started_at__lt=ago(1)).count() == 0
