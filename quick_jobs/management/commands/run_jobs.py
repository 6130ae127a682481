"""``manage.py run_jobs``: runs the jobs, until it is told to stop."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import math
import random
import sys
import traceback
from functools import partial
from typing import Any, ContextManager, List, NoReturn, Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections, router

from quick_jobs.checks import LEFT_OUT, check_database, check_settings
from quick_jobs.conf import conf
from quick_jobs.console import log_to_console, printable
from quick_jobs.databases import SUPPORTED, is_supported, vendor_name
from quick_jobs.databases.write_lock import immediate_transactions
from quick_jobs.discovery import (
    JobsError,
    all_jobs,
    check_runnable,
    included_jobs,
    jobs_left_out,
    jobs_without,
    why_left_out,
)
from quick_jobs.history import History, NoHistory, Recorder
from quick_jobs.history.storage import RunnerIdentity, Storage
from quick_jobs.logs import get_logger, in_background, say
from quick_jobs.management.job_list import lines_about
from quick_jobs.models import JobExecution
from quick_jobs.process_exit import leave
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import Runner, RunnerOptions
from quick_jobs.stop_signals import stop_on_signals
from quick_jobs.threads import NoThread

logger = get_logger("quick_jobs", may_wait=False)

_STOP_TIMEOUT = 5.0


class Command(BaseCommand):
    help = "Run the jobs of all installed apps, until told to stop."

    # What matters here is checked below, for the jobs that are to run: another app's broken
    # jobs.py does not stop them.
    requires_system_checks: List[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--include-job",
            dest="include_jobs",
            metavar="NAME",
            action="append",
            default=[],
            help="Run only this job, given by its dotted path, from any module. Repeatable.",
        )
        which.add_argument(
            "--exclude-job",
            dest="exclude_jobs",
            metavar="NAME",
            action="append",
            default=[],
            help="Run all jobs but this one. Repeatable.",
        )
        parser.add_argument(
            "--stop-after",
            metavar="SECONDS",
            type=_seconds,
            help="Stop after so long. By default the runner goes on for ever.",
        )
        parser.add_argument(
            "--stop-variance",
            metavar="SECONDS",
            type=_seconds,
            default=0.0,
            help="Add a random time of at most this to --stop-after.",
        )
        parser.add_argument(
            "--stop-timeout",
            metavar="SECONDS",
            type=_seconds,
            default=_STOP_TIMEOUT,
            help="How long jobs may take to end when the runner stops (default: %(default)g).",
        )
        parser.add_argument(
            "--trial-run",
            action="store_true",
            help="Check everything and log which jobs would run, but run none.",
        )
        parser.add_argument(
            "--print-jobs", action="store_true", help="Print the jobs and their schedules."
        )
        parser.add_argument(
            "--no-history",
            action="store_true",
            help="Keep no history, and touch no database.",
        )

    def run_from_argv(self, argv: List[str]) -> None:
        """Run as a process of its own, which ends when the command does."""
        self._patience = _STOP_TIMEOUT
        if isinstance(sys.stdout, io.TextIOWrapper):
            # What jobs print is seen at once also where it goes to a pipe, as in a container.
            sys.stdout.reconfigure(line_buffering=True)
        try:
            super().run_from_argv(argv)
        except SystemExit as exc:
            leave(exc.code if isinstance(exc.code, int) else 1, self._patience)
            raise
        except Exception:
            with contextlib.suppress(Exception):  # standard error may be closed
                sys.stderr.write(f"{printable(traceback.format_exc())}\n")
            leave(1, self._patience)
            sys.exit(1)
        else:
            leave(0, self._patience)

    def handle(self, *args: Any, **options: Any) -> None:
        self._patience = options["stop_timeout"]
        # Whoever only looks at the jobs reads as slowly as they like.
        log_thread: ContextManager[None] = (
            contextlib.nullcontext() if options["trial_run"] else in_background()
        )
        with log_to_console(options["verbosity"]), log_thread, immediate_transactions():
            try:
                jobs = _find_jobs(options["include_jobs"], options["exclude_jobs"])
                runner_options = _runner_options(options)
                history: History = NoHistory() if options["no_history"] else _history(jobs)
            except JobsError as exc:
                self._refuse(*exc.problems)
            except ImproperlyConfigured as exc:
                self._refuse(str(exc))
            if options["trial_run"]:
                _log_jobs(jobs)
                if options["print_jobs"]:
                    with contextlib.suppress(BrokenPipeError):  # as for `... | head`
                        self._print(jobs)
                return
            runner = Runner(jobs, history, runner_options)
            try:
                # From here on, as whoever is told of the jobs may stop them.
                with stop_on_signals(runner.request_stop, runner.wake):
                    _log_jobs(jobs)
                    if options["print_jobs"]:
                        say(lambda: self._print(jobs), "the list of jobs")
                    # What there is now stays: to look through it for garbage, again and again,
                    # would hold up every thread, for tens of milliseconds on a site of middle size.
                    gc.freeze()
                    status = runner.run()
            except NoThread as exc:
                self._refuse(str(exc))
            if runner.refusal:
                self._refuse(runner.refusal)
        if status:
            sys.exit(status)

    def _refuse(self, *messages: str) -> NoReturn:
        for message in messages:
            lists = message.split("\n  ")  # a list in a message is indented already
            text = "\n  ".join(map(printable, lists))
            say(partial(self.stderr.write, text), text)
        sys.exit(1)

    def _print(self, jobs: Sequence[RegisteredJob]) -> None:
        for job in jobs:
            for line in lines_about(job):
                self.stdout.write(line)


def _seconds(text: str) -> float:
    """Return a number of seconds from the command line."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return seconds


def _find_jobs(included: Sequence[str], excluded: Sequence[str]) -> List[RegisteredJob]:
    if included:
        jobs = included_jobs(included)
    elif excluded:
        jobs, unknown = jobs_without(excluded)
        for name in unknown:
            logger.warning("--exclude-job %s matches no job", name)
    else:
        jobs = all_jobs()
    if not included and LEFT_OUT not in settings.SILENCED_SYSTEM_CHECKS:
        for job in jobs_left_out():
            if job.name not in excluded:
                logger.warning("%s", why_left_out(job))
    if not jobs:
        raise JobsError(
            [
                "There are no jobs to run: decorate a function in an installed app's jobs.py "
                "with @register_job(interval)."
                if not excluded
                else "There are no jobs to run: all of them are excluded."
            ]
        )
    check_runnable(jobs)
    return jobs


def _log_jobs(jobs: Sequence[RegisteredJob]) -> None:
    names = ", ".join(job.name for job in jobs)
    count = "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"
    logger.info("%s to run: %s", count, names)


def _runner_options(options: Any) -> RunnerOptions:
    wrong_settings = [error.msg for error in check_settings()]
    if wrong_settings:
        raise JobsError(wrong_settings)
    stop_after = options["stop_after"]
    if stop_after is not None:
        stop_after += options["stop_variance"] * random.random()
    return RunnerOptions(
        stop_after=stop_after,
        stop_timeout=options["stop_timeout"],
        start_record_timeout=conf.start_record_timeout.total_seconds(),
        heartbeat_interval=conf.heartbeat_interval.total_seconds(),
        prunes=conf.history_retention is not None,
        max_traceback=conf.max_traceback,
    )


def _history(jobs: Sequence[RegisteredJob]) -> History:
    using = router.db_for_write(JobExecution)
    connection = connections[using]
    if not is_supported(connection):
        logger.warning(
            "No history is kept: it needs a database of %s, and %r is %s. "
            "Use --no-history to run without one.",
            SUPPORTED,
            using,
            vendor_name(connection),
        )
        return NoHistory()
    for error in check_database():
        raise ImproperlyConfigured(error.msg)
    storage = Storage(RunnerIdentity.of_this_process(), jobs)
    return Recorder(storage, conf.heartbeat_interval.total_seconds())
