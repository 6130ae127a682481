"""``manage.py run_job``: one job, once, by hand."""

import signal
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from quick_jobs.models import JobExecution, JobRunner

JOBS = """
import os
import time
from quick_jobs import RunInterrupted, at, register_job

@register_job(at("03:00"), timeout=60)
def works(env):
    \"\"\"Say how often it ran.\"\"\"
    runs = len(os.listdir("runs"))
    open("runs/%d" % runs, "w").close()
    print("run", runs, flush=True)
    if runs < 2:
        env.request_rerun()

@register_job(3600)
def fails(env):
    1 / 0

@register_job(3600, timeout=0.2)
def takes_long(env):
    while not env.is_stopping:
        time.sleep(0.01)

@register_job(3600)
def waits(env):
    print("waiting", flush=True)
    env.sleep(3600)

@register_job(3600)
def hangs(env):
    print("waiting", flush=True)
    while True:
        time.sleep(0.01)
        if env.is_stopping:
            print("told to stop", flush=True)
            time.sleep(3600)
"""


@pytest.fixture
def shop(site):
    site.write("shop/jobs.py", JOBS)
    (site.path / "runs").mkdir()
    return site


def outcomes():
    return list(JobExecution.objects.order_by("pk").values_list("job__name", "outcome"))


def test_a_job_runs_at_once_and_again_while_it_asks_to(shop):
    ended = shop.run("run_job", "shop.jobs.works")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "run 0\nrun 1\nrun 2\n"
    assert "INFO" in ended.stderr
    assert outcomes() == [("shop.jobs.works", "succeeded")] * 3
    for execution in JobExecution.objects.all():
        assert abs((execution.due_at - execution.started_at).total_seconds()) < 5
    runner = JobRunner.objects.get()
    assert (runner.kind, runner.stop_reason) == (JobRunner.COMMAND, JobRunner.DONE)
    assert runner.stopped_at
    assert [job.name for job in runner.jobs.all()] == ["shop.jobs.works"]


@pytest.mark.parametrize(("name", "outcome"), [("fails", "failed"), ("takes_long", "timed_out")])
def test_a_job_that_goes_wrong_has_exit_status_1(shop, name, outcome):
    assert shop.run("run_job", f"shop.jobs.{name}").returncode == 1
    assert outcomes() == [(f"shop.jobs.{name}", outcome)]


def test_a_job_that_is_interrupted_has_exit_status_3(shop):
    process = shop.start("run_job", "shop.jobs.waits")
    process.wait_for_output("waiting")
    process.send(signal.SIGINT)
    assert process.wait() == 3
    assert outcomes() == [("shop.jobs.waits", "interrupted")]


def test_a_second_signal_ends_it(shop):
    process = shop.start("run_job", "shop.jobs.hangs", "--stop-timeout", 60)
    process.wait_for_output("waiting")
    process.send(signal.SIGTERM)
    process.wait_for_output("told to stop")
    process.send(signal.SIGTERM)
    assert process.wait() == 1
    assert outcomes() == [("shop.jobs.hangs", "abandoned")]


def test_without_history_nothing_is_on_record(shop):
    assert shop.run("run_job", "shop.jobs.works", "--no-history").returncode == 0
    assert not JobRunner.objects.exists()


def test_a_wrong_name_is_refused_with_the_names_that_there_are(shop):
    refused = shop.run("run_job", "shop.jobs.wroks")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith(
        "The jobs of the installed apps are:\n  shop.jobs.fails\n  shop.jobs.hangs\n"
        "  shop.jobs.takes_long\n  shop.jobs.waits\n  shop.jobs.works\n"
    )
    assert not JobRunner.objects.exists()


@pytest.mark.parametrize("name", ["works", "shops.works"])
def test_the_names_are_shown_whatever_is_wrong_with_one(monkeypatch, capsys, name):
    there_is = SimpleNamespace(name="shop.jobs.works")
    monkeypatch.setattr("quick_jobs.management.commands.run_job.all_jobs", lambda: [there_is])
    with pytest.raises(SystemExit, match="1"):
        call_command("run_job", name)
    assert capsys.readouterr().err.endswith(
        "The jobs of the installed apps are:\n  shop.jobs.works\n"
    )


def test_a_name_is_needed():
    with pytest.raises(CommandError, match="required"):
        call_command("run_job")
