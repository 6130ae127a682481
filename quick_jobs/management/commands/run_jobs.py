"""``manage.py run_jobs``: runs the jobs, until it is told to stop."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from typing import Any, ContextManager, Sequence

from django.core.management.base import CommandParser

from quick_jobs.console import log_to_console
from quick_jobs.databases.write_lock import immediate_transactions
from quick_jobs.discovery import JobsError
from quick_jobs.history import History, NoHistory
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.logs import in_background, say, wait_until_written
from quick_jobs.management.arguments import seconds
from quick_jobs.management.job_choice import find_jobs, log_jobs
from quick_jobs.management.job_list import lines_about
from quick_jobs.management.runner_command import STOP_TIMEOUT, RunnerCommand
from quick_jobs.management.runner_settings import history_of, runner_options
from quick_jobs.management.signs_of_life import signs_of_life
from quick_jobs.management.telling import telling
from quick_jobs.models import JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import Runner
from quick_jobs.runner.plan import NewPlan
from quick_jobs.runner.planning import Planning
from quick_jobs.runner.single_runs import RunDue
from quick_jobs.stop_signals import StopWhenAsked, stop_on_signals

# Seconds that the list of jobs may take before the first job starts, so that it comes before the
# jobs' output, unless nobody reads.
_PRINTED_WITHIN = 1.0


class Command(RunnerCommand):
    help = "Run the jobs of all installed apps, until told to stop."

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
            type=seconds,
            help="Stop after this time. By default the runner does not stop by itself.",
        )
        parser.add_argument(
            "--stop-variance",
            metavar="SECONDS",
            type=seconds,
            default=0.0,
            help="Add a random time of at most this to --stop-after.",
        )
        parser.add_argument(
            "--stop-timeout",
            metavar="SECONDS",
            type=seconds,
            default=STOP_TIMEOUT,
            help="How long jobs may take to end when the runner stops (default: %(default)g).",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--trial-run",
            action="store_true",
            help="Check everything and log which jobs would run, but run none.",
        )
        how.add_argument(
            "--reload",
            action="store_true",
            help="For development: start again with the new code when a file changes.",
        )
        parser.add_argument(
            "--print-jobs", action="store_true", help="Print the jobs and their schedules."
        )
        parser.add_argument(
            "--alive-file",
            metavar="PATH",
            help="Touch this file at each heartbeat, with or without a history, and delete it at "
            "the end. While the file is new, the runner works.",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--once",
            action="store_true",
            help="Run the jobs that are due by schedule and history, then end. For a timer.",
        )
        how.add_argument(
            "--no-history",
            action="store_true",
            help="Keep no history, and touch no database.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.patience = options["stop_timeout"]
        stop_when_asked: StopWhenAsked = stop_on_signals
        if options["once"] and options["alive_file"] is not None:
            self.refuse("--alive-file and --once exclude each other.")
        if options["reload"]:
            if options["once"]:
                self.refuse("--reload and --once exclude each other.")
            from quick_jobs.management.reloading import reload_on_changes

            stop_when_asked = reload_on_changes(options["verbosity"])
        # People who only look at the jobs may read slowly.
        log_thread: ContextManager[None] = (
            contextlib.nullcontext() if options["trial_run"] else in_background()
        )
        with log_to_console(options["verbosity"]), log_thread, immediate_transactions():
            with self.refusing():
                jobs = find_jobs(options["include_jobs"], options["exclude_jobs"])
                own_options = runner_options(options)
                identity = RunnerIdentity.of_this_process(
                    JobRunner.ONCE if options["once"] else JobRunner.RUNNER
                )
                history = _history(jobs, options, identity)
            if options["trial_run"]:
                log_jobs(jobs)
                if options["print_jobs"]:
                    with contextlib.suppress(BrokenPipeError):  # as for `... | head`
                        self._print(jobs)
                return

            def announce() -> None:
                log_jobs(jobs)
                if options["print_jobs"]:
                    say(lambda: self._print(jobs), "the list of jobs")
                    wait_until_written(_PRINTED_WITHIN)

            new_plan: NewPlan = RunDue if options["once"] else Planning
            with self.refusing(), contextlib.ExitStack() as stack:
                observers = stack.enter_context(signs_of_life(options, len(jobs)))
                observers += stack.enter_context(telling(jobs, identity, history.is_kept))
                runner = Runner(jobs, history, own_options, new_plan=new_plan, observers=observers)
                status = self.run_until_over(runner, history.is_kept, announce, stop_when_asked)
        if status:
            sys.exit(status)

    def _print(self, jobs: Sequence[RegisteredJob]) -> None:
        now = dt.datetime.now(dt.timezone.utc)
        for job in jobs:
            for line in lines_about(job, now):
                self.stdout.write(line)


def _history(jobs: Sequence[RegisteredJob], options: Any, identity: RunnerIdentity) -> History:
    history = NoHistory() if options["no_history"] else history_of(jobs, identity)
    if options["once"] and not history.is_kept:
        raise JobsError(["--once needs the history: the last starts decide which jobs are due."])
    return history
