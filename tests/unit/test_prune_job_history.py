from __future__ import annotations

import io
import os
import re
import signal
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from quick_jobs.databases.base import Database
from quick_jobs.history.pruning import Pruning
from quick_jobs.management import pruning_report
from quick_jobs.management.commands import prune_job_history
from quick_jobs.models import Job, JobExecution
from quick_jobs.registration import register_job
from tests.old_history import (
    DAY,
    a_job,
    a_live_runner,
    a_stopped_runner,
    ago,
    an_execution,
    executions_at,
)

pytestmark = pytest.mark.django_db

with_signals = pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals to send")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def err():
    return io.StringIO()


@pytest.fixture
def prune(err):
    """Call the command, and return what it writes on standard output."""

    def prune(*args, out=None, **options):
        out = out or io.StringIO()
        call_command("prune_job_history", *args, stdout=out, stderr=err, **options)
        return out.getvalue()

    return prune


@pytest.fixture
def error(prune):
    """Call the command, and return the message that it fails with."""

    def error(*args, **options):
        with pytest.raises(CommandError) as failure:
            prune(*args, **options)
        return str(failure.value)

    return error


# Which executions.


@pytest.mark.parametrize(
    ("text", "days"),
    [("30d", 30), ("36h", 1.5), ("45m", 45 / 1440), ("1d12h", 1.5), ("90s", 0.001)],
)
def test_what_is_older_than_the_age_given_goes(prune, text, days):
    an_execution(started=days * 1.1)
    younger = an_execution(started=days * 0.9)
    prune("--older-than", text)
    assert set(JobExecution.objects.all()) == {younger}


def test_without_an_age_the_retention_setting_counts(prune, settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 10 * DAY
    an_execution(started=11)
    younger = an_execution(started=9)
    prune()
    assert set(JobExecution.objects.all()) == {younger}


def test_an_age_goes_before_the_retention_setting(prune, settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 10 * DAY
    an_execution(started=11)
    prune("--older-than", "12d")
    assert JobExecution.objects.count() == 1


@pytest.mark.parametrize("value", [30 * DAY, 30 * 86400])
def test_from_code_an_age_is_a_duration_as_everywhere(prune, value):
    an_execution(started=31)
    younger = an_execution(started=29)
    prune(older_than=value)
    assert set(JobExecution.objects.all()) == {younger}


def test_options_restrict_what_goes(prune):
    wanted, other = a_job("shop.jobs.wanted"), a_job("shop.jobs.other")
    for outcome in ("succeeded", "failed", "timed_out"):
        for job in (wanted, other):
            an_execution(started=40, outcome=outcome, job=job)
    prune(
        "--older-than=30d",
        "--outcome=failed",
        "--outcome=timed_out",
        "--job=shop.jobs.wanted",
        "--keep-last=1",
    )
    left = set(JobExecution.objects.values_list("job__name", "outcome"))
    assert left == {
        ("shop.jobs.other", "succeeded"),
        ("shop.jobs.other", "failed"),
        ("shop.jobs.other", "timed_out"),
        ("shop.jobs.wanted", "succeeded"),
        ("shop.jobs.wanted", "timed_out"),
    }


def test_several_jobs_can_be_given(prune):
    for name in "abc":
        an_execution(started=40, job=a_job(name))
    prune("--older-than=30d", "--job=a", "--job=b")
    assert JobExecution.objects.get().job.name == "c"


def test_a_job_that_has_never_run_has_nothing_to_delete(prune):
    @register_job(interval=60)
    def work(env):
        pass

    execution = an_execution(started=40)
    assert prune("--older-than=30d", "--job", work.name) == "Nothing to delete.\n"
    assert set(JobExecution.objects.all()) == {execution}


def test_batches_are_no_larger_than_asked_for(prune, monkeypatch):
    sizes = []
    delete = Pruning._delete

    def spy(pruning, rows):
        deleted = delete(pruning, rows)
        sizes.append(deleted[JobExecution])
        return deleted

    monkeypatch.setattr(Pruning, "_delete", spy)
    executions_at([ago(40)] * 100)
    prune("--older-than=30d", "--batch-size=30")
    assert max(sizes) == 30


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_says_where_the_history_is(prune, settings):
    settings.DATABASE_ROUTERS = [RouterToOther()]
    for using in ("default", "other"):
        an_execution(started=40, using=using)
    prune("--older-than=30d")
    assert JobExecution.objects.using("default").exists()
    assert not JobExecution.objects.using("other").exists()


class RouterToOther:
    def db_for_write(self, model, **hints):
        return "other"


# What it says.


def test_it_ends_with_one_line_that_says_what_went(prune):
    runner = a_stopped_runner()
    executions_at([ago(40)] * 1234, runner=runner)
    a_job("shop.jobs.other")
    assert re.fullmatch(
        r"Deleted 1,234 executions, 1 runner and 2 jobs in \d+\.\d s\.\n", prune("--older-than=30d")
    )


def test_it_names_only_what_there_was(prune):
    an_execution(started=40).runner.jobs.add(a_job())
    assert prune("--older-than=30d").startswith("Deleted 1 execution in ")


def test_when_nothing_is_old_it_says_so(prune):
    a_live_runner().jobs.add(a_job())
    assert prune("--older-than=30d") == "Nothing to delete.\n"


def test_a_dry_run_says_how_many_of_each_job_would_go(prune):
    executions_at([ago(40)] * 1200, job=a_job("shop.jobs.busy"))
    executions_at([ago(40)] * 7, job=a_job("shop.jobs.idle"))
    a_job("shop.jobs.without")
    assert prune("--older-than=30d", "--dry-run") == (
        "1,200  shop.jobs.busy\n    7  shop.jobs.idle\n1,207 executions would be deleted.\n"
    )
    assert JobExecution.objects.count() == 1207
    assert Job.objects.count() == 3


def test_a_dry_run_says_when_nothing_would_go(prune):
    an_execution(started=1)
    assert prune("--older-than=30d", "--dry-run") == "Nothing would be deleted.\n"


def test_on_a_terminal_it_shows_how_far_it_is(prune, monkeypatch, settings):
    monkeypatch.setattr(pruning_report, "_PROGRESS_INTERVAL", 0)
    settings.TIME_ZONE = "Asia/Tokyo"
    start = timezone.localtime(timezone.now() - 40 * DAY)
    executions_at([start + number * DAY / 1000 for number in range(250)])
    shown = prune("--older-than=30d", "--batch-size=100", out=Terminal())
    assert re.search(
        rf"\r100 rows deleted, [\d,]+/s, at {start + DAY / 10:%Y-%m-%d %H:%M}\r", shown
    )
    *progress, summary = shown.split("\r")
    assert not progress[-1].strip()  # the line is cleared
    assert summary.startswith("Deleted 250 executions")


def test_on_a_terminal_it_is_not_shown_more_often_than_people_can_read(prune):
    executions_at([ago(40)] * 250)
    assert "\r" not in prune("--older-than=30d", "--batch-size=100", out=Terminal())


def test_a_dry_run_shows_how_far_it_is_too(prune, monkeypatch):
    monkeypatch.setattr(pruning_report, "_PROGRESS_INTERVAL", 0)
    executions_at([ago(40)] * 250)
    assert "\r100 rows counted, " in prune("--older-than=30d", "--dry-run", out=Terminal())


def test_elsewhere_it_shows_the_summary_only(prune, monkeypatch):
    monkeypatch.setattr(pruning_report, "_PROGRESS_INTERVAL", 0)
    executions_at([ago(40)] * 250)
    assert prune("--older-than=30d", "--batch-size=100").count("\n") == 1


# How it ends.


@pytest.fixture
def signalled(prune, monkeypatch):
    """Call the command, send it signals after so many steps; return its exit status."""

    def signalled(signums, *args, steps=2):
        step, count = Pruning.step, 0

        def step_and_signal(pruning):
            nonlocal count
            is_done = step(pruning)
            count += 1
            if count == steps:
                for signum in signums:
                    os.kill(os.getpid(), signum)
            return is_done

        monkeypatch.setattr(Pruning, "step", step_and_signal)
        with pytest.raises(SystemExit) as ended:
            prune("--older-than=30d", "--batch-size=100", *args)
        return ended.value.code

    return signalled


@with_signals
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("signums", "status"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGINT, signal.SIGINT], 130),
    ],
)
def test_a_signal_ends_it_and_it_says_how_far_it_came(signalled, err, signums, status):
    executions_at([ago(40)] * 500)
    assert signalled(signums) == status
    assert err.getvalue().startswith("Stopped early. Deleted 200 executions in ")
    assert JobExecution.objects.count() == 300


@with_signals
def test_an_interrupted_dry_run_says_how_far_it_came(signalled, err):
    executions_at([ago(40)] * 500)
    assert signalled([signal.SIGINT], "--dry-run") == 130
    assert err.getvalue() == "Stopped early. 200 executions would be deleted so far.\n"


@with_signals
def test_what_a_batch_has_deleted_is_counted_when_a_signal_comes_amid_it(
    signalled, err, monkeypatch
):
    executions_at([ago(40)] * 500)
    delete = Pruning._delete

    def delete_and_signal(pruning, rows):
        counts = delete(pruning, rows)
        os.kill(os.getpid(), signal.SIGINT)
        return counts

    monkeypatch.setattr(Pruning, "_delete", delete_and_signal)
    assert signalled([]) == 130
    assert err.getvalue().startswith("Stopped early. Deleted 100 executions in ")
    assert JobExecution.objects.count() == 400


@with_signals
def test_a_signal_before_the_first_batch_deletes_nothing(signalled, err, monkeypatch):
    executions_at([ago(40)] * 500)
    monkeypatch.setattr(prune_job_history, "all_jobs", lambda: os.kill(os.getpid(), signal.SIGINT))
    assert signalled([]) == 130
    assert err.getvalue() == "Stopped early. Nothing was deleted.\n"
    assert JobExecution.objects.count() == 500


@with_signals
def test_a_signal_amid_the_last_batch_changes_nothing(prune, monkeypatch):
    executions_at([ago(40)] * 10)
    step = Pruning.step

    def step_and_signal(pruning):
        is_done = step(pruning)
        if is_done:
            os.kill(os.getpid(), signal.SIGINT)
        return is_done

    monkeypatch.setattr(Pruning, "step", step_and_signal)
    assert prune("--older-than=30d").startswith("Deleted 10 executions")


def test_what_others_have_locked_is_told(prune, monkeypatch):
    executions_at([ago(40)] * 10)
    naps = []
    monkeypatch.setattr(prune_job_history.time, "sleep", naps.append)

    def locked(pruning, rows):
        raise OperationalError("database is locked")

    monkeypatch.setattr(Pruning, "_delete", locked)
    monkeypatch.setattr(Database, "is_conflict", lambda database, error: True)
    shown = prune("--older-than=30d")
    assert shown.endswith("Some old rows are locked or referred to by others, and stay.\n")
    assert naps[:4] == [0.2] * 4


def test_an_error_of_the_database_is_told_in_one_line_with_how_far_it_came(error, err, monkeypatch):
    executions_at([ago(40)] * 500)
    step = Pruning.step

    def step_or_fail(pruning):
        if pruning.deleted[JobExecution] == 200:
            raise OperationalError("server closed the connection\nunexpectedly")
        return step(pruning)

    monkeypatch.setattr(Pruning, "step", step_or_fail)
    message = error("--older-than=30d", "--batch-size=100")
    assert message.startswith("The database 'default' fails: ")
    assert message.endswith("OperationalError: server closed the connection")
    assert err.getvalue().startswith("Stopped early. Deleted 200 executions in ")


# Mistakes.


def test_another_age_is_an_error_that_shows_how_it_is_written(error):
    assert error("--older-than=month") == (
        "--older-than: 'month' is not a duration: write days, hours, minutes and seconds "
        'like "30d", "36h", "45m", "90s" or "1d12h".'
    )


def test_from_code_another_age_is_an_error_too(error):
    assert error(older_than=-1) == "--older-than: An age must be 0 or more, not -1."


def test_a_wrong_retention_is_an_error_that_names_the_setting(error, settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = "30d"
    assert error().startswith("QUICK_JOBS_HISTORY_RETENTION must be")


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [
        ("--keep-last", "-1", 0),
        ("--keep-last", "few", 0),
        ("--keep-last", "1.5", 0),
        ("--batch-size", "0", 1),
        ("--batch-size", "", 1),
    ],
)
def test_what_is_no_whole_number_is_an_error_that_names_the_option(error, option, value, least):
    assert error("--older-than=30d", f"{option}={value}") == (
        f"{option} must be a whole number, {least} or more, not {value!r}."
    )


@pytest.mark.parametrize("option", ["--keep-last", "--batch-size"])
def test_a_number_larger_than_any_history_is_fine(prune, option):
    executions_at([ago(40)] * 3)
    assert prune("--older-than=30d", f"{option}={10**30}").startswith(
        "Nothing to delete" if option == "--keep-last" else "Deleted 3"
    )


def test_an_unknown_outcome_is_an_error_that_names_the_known_ones(error):
    assert error("--older-than=30d", "--outcome=broken") == (
        "There is no outcome 'broken': it is one of running, succeeded, failed, interrupted, "
        "timed_out, abandoned."
    )


def test_an_unknown_job_is_an_error_that_names_it(error):
    assert error("--older-than=30d", "--job=shop.jobs.wrok") == (
        "There is no job 'shop.jobs.wrok', neither in the history nor in the code."
    )


def test_a_database_that_has_no_history_is_told(error, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "oracle")
    assert error("--older-than=30d") == (
        "There is no job history in the database 'default': it is oracle."
    )


# Beside runners.


def test_what_others_have_named_makes_no_line_and_orders_no_terminal_about(prune, error, err):
    name = "shop.jobs.work\n2026 INFO forged\x1b[2J\r"
    an_execution(started=40, job=a_job(name))
    shown = "shop.jobs.work\n    2026 INFO forged\\x1b[2J\\r\n"
    assert prune("--older-than=30d", "--dry-run").startswith(f"1  {shown}")
