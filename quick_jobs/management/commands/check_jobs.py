"""``manage.py check_jobs``: reports problems with a site's jobs, for monitoring and people."""

from __future__ import annotations

import collections
import contextlib
import json
import socket
import sys
from typing import Any, Collection, List

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connections, router
from django.utils import timezone, translation

from quick_jobs.alerting import texts
from quick_jobs.conf import conf
from quick_jobs.console import printable
from quick_jobs.databases import is_supported, vendor_name
from quick_jobs.discovery import JobsError, all_jobs
from quick_jobs.health import GONE, OK, Finding, Health, advice_on, sentence_of
from quick_jobs.health.reading import read_health
from quick_jobs.health.reports import as_json
from quick_jobs.health.successes import last_successes
from quick_jobs.history.tables import what_is_missing
from quick_jobs.models import JobExecution
from quick_jobs.tracebacks import error_line

#: Exit statuses: something is wrong; unknown, as the command line or the database is wrong.
WRONG = 1
UNKNOWN = 2


class Command(BaseCommand):
    help = (
        "Print a line for each problem with the jobs. The exit status is 0 if there is none, 1 if "
        "there are some, and 2 if the database cannot be queried. With --test-alert, send an alert "
        "instead."
    )

    # Problems elsewhere in a site do not prevent a check of its jobs.
    requires_system_checks: List[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--job",
            dest="jobs",
            metavar="NAME",
            action="append",
            default=[],
            help="Check only this job, given by its dotted path, and the runners. Repeatable.",
        )
        parser.add_argument(
            "--json",
            dest="as_json",
            action="store_true",
            help="Print one JSON object, with all that is known of each job.",
        )

        parser.add_argument(
            "--test-alert",
            dest="is_test",
            action="store_true",
            help="Send an alert that is marked as a test, as QUICK_JOBS_ALERTS says, and check "
            "nothing. The exit status is 0 if it was sent, 1 if it could not be, and 2 without the "
            "setting.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            if options["is_test"]:
                status = self._send_test_alert(options["traceback"])
            else:
                status = self._check(options["jobs"], options["as_json"])
        if status:
            sys.exit(status)

    def _send_test_alert(self, shows_traceback: bool) -> int:
        """Send an alert, here and now; return the exit status."""
        try:
            tell = conf.alerts
            problem = "" if tell else "QUICK_JOBS_ALERTS is not set: nobody is sent an alert."
        except ImproperlyConfigured as error:
            problem = str(error)
        if problem or tell is None:
            self.stderr.write(printable(problem))
            return UNKNOWN
        alert = texts.alert_of_test(timezone.now(), socket.gethostname())
        try:
            tell(alert)
        except Exception as error:
            if shows_traceback:
                raise
            self.stderr.write(printable(f"The test alert could not be sent: {error_line(error)}"))
            return WRONG
        path: str = getattr(settings, "QUICK_JOBS_ALERTS")  # noqa: B009
        self._write(f"sent by {path}: {alert.subject}")
        return 0

    def _check(self, names: Collection[str], is_json: bool) -> int:
        """Print how the jobs are doing; return the exit status."""
        using = router.db_for_read(JobExecution)
        self._import_jobs()
        try:
            problem = _why_there_is_no_history(using)
            if not problem:
                health = read_health(names or None)
                known = {job.facts.name for job in health.jobs}
                problem = _unknown([name for name in names if name not in known])
            if not problem and is_json:
                report = as_json(health, last_successes(using, (job.facts for job in health.jobs)))
        except ImproperlyConfigured as error:
            problem = str(error)
        except Error as error:
            problem = _explain(error, using)
        if problem:
            self.stderr.write(printable(problem))
            return UNKNOWN
        if is_json:
            self.stdout.write(json.dumps(report, indent=2))
        else:
            for line in _lines(health):
                self._write(line)
        return 0 if health.is_well else WRONG

    def _import_jobs(self) -> None:
        """Report code that cannot be imported. Recorded jobs are checked nevertheless."""
        try:
            all_jobs()
        except JobsError as error:
            message = " ".join(f"Only jobs on record are checked: {error}".split())
            self.stderr.write(printable(message))

    def _write(self, line: str) -> None:
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        self.stdout.write(printable(line).encode(encoding, "backslashreplace").decode(encoding))


def _lines(health: Health) -> List[str]:
    lines = [_line(finding) for finding in health.findings]
    lines += [f"warning: {_line(finding)}" for finding in health.warnings]
    return lines if health.findings else [*lines, _all_is_well(health)]


def _line(finding: Finding) -> str:
    about = f"{finding.kind}: {finding.job}" if finding.job else finding.kind
    return f"{about}: {sentence_of(finding)} {advice_on(finding)}"


def _all_is_well(health: Health) -> str:
    """Return a line like "ok: 8 jobs, 1 runner; 2 never run"."""
    states = collections.Counter(job.state for job in health.jobs)
    jobs = sum(states.values()) - states.pop(GONE, 0)
    runners = len(health.site.alive)
    line = f"ok: {_count(jobs, 'job')}, "
    line += "run on a timer" if health.site.is_on_timer else _count(runners, "runner")
    others = [f"{states[state]} {state.replace('_', ' ')}" for state in states if state != OK]
    return "; ".join([line, *others])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _unknown(names: List[str]) -> str:
    """Return an error about names that no job has, "" if there are none."""
    if not names:
        return ""
    shown = ", ".join(map(repr, names))
    return f"--job: there is no job {shown}, neither in the history nor in the code."


def _why_there_is_no_history(using: str) -> str:
    connection = connections[using]
    if is_supported(connection):
        return ""
    return f"There is no job history in the database {using!r}: it is {vendor_name(connection)}."


def _explain(error: Error, using: str) -> str:
    missing = ""
    if connections[using].connection is not None:  # otherwise it would be waited for once more
        with contextlib.suppress(Error):
            missing = what_is_missing(using)
    return missing or f"The database {using!r} cannot be asked: {error_line(error)}"
