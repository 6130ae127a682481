"""``manage.py run_job``: runs one job once, now, in the foreground."""

from __future__ import annotations

import sys
from typing import Any, List

from django.core.management.base import CommandParser

from quick_jobs.console import log_to_console
from quick_jobs.databases.write_lock import immediate_transactions
from quick_jobs.discovery import JobsError, all_jobs, check_runnable, included_jobs
from quick_jobs.history import History, NoHistory
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.logs import in_background
from quick_jobs.management.arguments import seconds
from quick_jobs.management.runner_command import STOP_TIMEOUT, RunnerCommand
from quick_jobs.management.runner_settings import history_of, runner_options
from quick_jobs.models import JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import Runner
from quick_jobs.runner.single_runs import RunNow


class Command(RunnerCommand):
    help = (
        "Run one job once, now, whatever its schedule. The exit status is 0 if it succeeded, "
        "1 if it failed, and 3 if it was interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "name",
            metavar="NAME",
            help="The job's dotted path, like shop.jobs.send_emails, in any module.",
        )
        parser.add_argument(
            "--stop-timeout",
            metavar="SECONDS",
            type=seconds,
            default=STOP_TIMEOUT,
            help="How long the job may take to end after Ctrl-C or SIGTERM (default: %(default)g).",
        )
        parser.add_argument(
            "--no-history",
            action="store_true",
            help="Keep no history, and touch no database.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.patience = options["stop_timeout"]
        with log_to_console(options["verbosity"]), in_background(), immediate_transactions():
            with self.refusing():
                jobs = _find_job(options["name"])
                own_options = runner_options(options)._replace(prunes=False)
                identity = RunnerIdentity.of_this_process(JobRunner.COMMAND)
                history: History = (
                    NoHistory() if options["no_history"] else history_of(jobs, identity)
                )
            runner = Runner(jobs, history, own_options, new_plan=RunNow)
            status = self.run_until_over(runner, history.is_kept, lambda: None)
        if status:
            sys.exit(status)


def _find_job(name: str) -> List[RegisteredJob]:
    try:
        jobs = included_jobs([name])
    except JobsError as exc:
        raise JobsError([*exc.problems, *_names_of_all()]) from exc
    check_runnable(jobs)
    return jobs


def _names_of_all() -> List[str]:
    """Return a hint for somebody who does not remember a job's name."""
    try:
        names = [job.name for job in all_jobs()]
    except JobsError:
        return []
    return ["\n  ".join(["The jobs of the installed apps are:", *names])] if names else []
