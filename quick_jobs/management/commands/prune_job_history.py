"""``manage.py prune_job_history``: deletes old history, in batches that block nobody."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import sys
import time
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connections, router

from quick_jobs.conf import conf
from quick_jobs.console import printable
from quick_jobs.databases import is_supported, vendor_name
from quick_jobs.discovery import JobsError, all_jobs
from quick_jobs.durations import Duration, parse_duration, to_timedelta
from quick_jobs.history.prunable import Rules
from quick_jobs.history.pruning import BATCH_SIZE, Pruning
from quick_jobs.history.tables import what_is_missing
from quick_jobs.management.pruning_report import Report
from quick_jobs.models import Job, JobExecution
from quick_jobs.registration import registered_as
from quick_jobs.stop_signals import stop_on_signals
from quick_jobs.tracebacks import error_line

# More rows than any history has, and still a number that databases can count.
_LARGEST_NUMBER = 2**63 - 1

_OUTCOMES = [outcome for outcome, _ in JobExecution.OUTCOMES]


class Command(BaseCommand):
    help = (
        "Delete old executions, then the runners that are gone and the jobs that no longer exist, "
        "if they have no executions left. Running executions of live runners stay. Unlike the "
        "automatic pruning of a runner, this keeps a job's newest executions only with --keep-last."
    )

    # A mistake in an app must not prevent pruning.
    requires_system_checks: List[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            metavar="AGE",
            help="Delete executions that started longer ago, such as 30d, 36h, 45m, 90s or 1d12h "
            "(default: the setting QUICK_JOBS_HISTORY_RETENTION).",
        )
        parser.add_argument(
            "--keep-last",
            metavar="N",
            default=0,
            help="Keep the N newest executions of each job, whatever their age and outcome.",
        )
        parser.add_argument(
            "--outcome",
            dest="outcomes",
            metavar="NAME",
            action="append",
            default=[],
            help=f"Delete only executions with this outcome: {', '.join(_OUTCOMES)}. Repeatable.",
        )
        parser.add_argument(
            "--job",
            dest="jobs",
            metavar="NAME",
            action="append",
            default=[],
            help="Delete only executions of this job, given by its dotted path. Repeatable.",
        )
        parser.add_argument(
            "--batch-size",
            metavar="N",
            default=BATCH_SIZE,
            help="Delete at most this many rows at once (default: %(default)s). Batches become "
            "smaller if one takes longer than about 50 ms.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Delete nothing; print how many executions of each job would be deleted.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Stop()
        with stop_on_signals(stop.request):
            try:
                self._prune(options, stop)
            except KeyboardInterrupt:
                sys.exit(stop.exit_status)
            except CommandError as error:
                error.args = (printable(str(error)),)
                raise

    def _prune(self, options: Dict[str, Any], stop: Stop) -> None:
        using = router.db_for_write(JobExecution)
        connection = connections[using]
        if not is_supported(connection):
            raise CommandError(
                f"There is no job history in the database {using!r}: "
                f"it is {vendor_name(connection)}."
            )
        older_than = _older_than(options["older_than"])
        keep_last = _whole_number("--keep-last", options["keep_last"], least=0)
        batch_size = _whole_number("--batch-size", options["batch_size"], least=1)
        outcomes = _known_outcomes(options["outcomes"])
        are_jobs_known = self._import_jobs()
        try:
            pruning = Pruning(
                using,
                Rules(older_than, keep_last, outcomes, _primary_keys(options["jobs"], using)),
                batch_size=batch_size,
                dry_run=options["dry_run"],
                is_in_code=registered_as if are_jobs_known else lambda name: True,
            )
            report = Report(pruning, self.stdout, options["dry_run"])
            self._run(pruning, report, stop)
            report.finish(using)
        except Error as error:
            raise CommandError(_explain(error, using)) from error

    def _import_jobs(self) -> bool:
        """Import the apps' jobs; return whether that worked."""
        try:
            all_jobs()
        except JobsError as error:
            message = f"Jobs are kept, because it is not known which exist: {error}"
            self.stderr.write(printable(message))
            return False
        return True

    def _run(self, pruning: Pruning, report: Report, stop: Stop) -> None:
        is_done = False
        try:
            while not is_done:
                stop.obey()
                is_done = pruning.step()
                report.progress()
                time.sleep(pruning.pause)
        except (KeyboardInterrupt, Error):
            report.clear()
            self.stderr.write(f"Stopped early. {report.summary(is_done=False)}")
            raise


class Stop:
    """The first signal that asks to stop is obeyed between two batches, the second at once."""

    def __init__(self) -> None:
        self._signal = ""

    def request(self, name: str) -> None:
        """Note a signal; raise KeyboardInterrupt if it is the second."""
        self.obey()
        self._signal = name

    def obey(self) -> None:
        """Raise KeyboardInterrupt if there was a signal."""
        if self._signal:
            raise KeyboardInterrupt

    @property
    def exit_status(self) -> int:
        """The exit status that a shell reports for a process that the signal ended."""
        return 128 + signal.Signals[self._signal]


def _older_than(value: Union[str, Duration, None]) -> dt.timedelta:
    try:
        if isinstance(value, str):
            return parse_duration(value)
        age = conf.history_retention if value is None else to_timedelta(value, "An age")
    except (TypeError, ValueError) as error:
        raise CommandError(f"--older-than: {error}.") from None
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    if age is None:
        raise CommandError(
            "How old is old? Give --older-than, such as --older-than 30d, "
            "or set QUICK_JOBS_HISTORY_RETENTION."
        )
    return age


def _whole_number(option: str, value: Any, least: int) -> int:
    try:
        number = min(int(value), _LARGEST_NUMBER)
    except (TypeError, ValueError, OverflowError):
        number = least - 1
    if number < least:
        raise CommandError(f"{option} must be a whole number, {least} or more, not {value!r}.")
    return number


def _known_outcomes(names: Iterable[str]) -> List[str]:
    outcomes = sorted(set(names))
    for name in outcomes:
        if name not in _OUTCOMES:
            raise CommandError(
                f"There is no outcome {name!r}: it is one of {', '.join(_OUTCOMES)}."
            )
    return outcomes


def _primary_keys(names: Sequence[str], using: str) -> Optional[List[int]]:
    """Return the primary keys of the jobs with these names that are in the history."""
    if not names:
        return None
    found: List[int] = []
    for name in sorted(set(names)):
        pk = Job.objects.using(using).filter(name=name).values_list("pk", flat=True).first()
        if pk is not None:
            found.append(pk)
        elif not registered_as(name):
            raise CommandError(f"There is no job {name!r}, neither in the history nor in the code.")
    return found


def _explain(error: Error, using: str) -> str:
    missing = ""
    with contextlib.suppress(Error):
        missing = what_is_missing(using)
    return missing or f"The database {using!r} fails: {error_line(error)}"
