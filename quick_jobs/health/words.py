"""Findings in sentences, in the active language: what is wrong, since when, and what to do."""

from __future__ import annotations

import datetime as dt
from typing import Callable, Dict

from django.utils.translation import gettext as _

from quick_jobs.health.facts import RunnerFacts
from quick_jobs.health.findings import (
    DOWN,
    DUPLICATES,
    FAILING,
    GONE,
    LATE,
    NEVER_A_RUNNER,
    NEVER_RUN,
    NEVER_SUCCEEDED,
    NO_RUNNER,
    NO_RUNS_ON_TIMER,
    OVER_TIMEOUT,
    RESTARTING,
    STUCK,
    UNUSUALLY_LONG,
    Finding,
)
from quick_jobs.models import JobRunner
from quick_jobs.wording import ago, duration_in_words

_REASONS = dict(JobRunner.STOP_REASONS)

#: The reasons whose words include the detail.
_SAID_BY_REASON = (JobRunner.SIGNAL, JobRunner.STOP_AFTER)


def sentence_of(finding: Finding) -> str:
    """Return what is wrong and since when. The job's name is not in it, but beside it."""
    return _SENTENCES[finding.kind](finding)


def advice_on(finding: Finding) -> str:
    """Return what to do about it."""
    return _ADVICE[finding.kind](finding)


def sentence_of_state(state: str) -> str:
    """Return a sentence about a state that is no finding, "" if it needs none."""
    if state == NEVER_RUN:
        return _("It has not run yet.")
    if state == GONE:
        return _("No live runner has it, and it is in no installed app's jobs module.")
    return ""


def stop_reason_in_words(reason: str, detail: str) -> str:
    """Return why a runner stopped; ``detail`` is the signal's name if it was one."""
    if reason == JobRunner.SIGNAL and detail:
        return _("stopped by %(signal)s") % {"signal": detail}
    if reason == JobRunner.STOP_AFTER:
        return _("reached --stop-after")
    return str(_REASONS.get(reason, reason))


def _since(finding: Finding) -> str:
    return ago(finding.since, finding.now) if finding.since else ""


def _stuck(finding: Finding) -> str:
    values = {
        "time": duration_in_words(finding.took),
        "limit": duration_in_words(finding.limit),
    }
    if finding.reason == OVER_TIMEOUT:
        return _("It has been running for %(time)s; its timeout is %(limit)s.") % values
    if finding.reason == UNUSUALLY_LONG:
        return _("It has been running for %(time)s; typical is %(limit)s.") % values
    return _("It has been running for %(time)s, and has not succeeded before.") % values


def _about_stuck(finding: Finding) -> str:
    if finding.reason == NEVER_SUCCEEDED:
        return _("If that is too long, restart its runner and give the job a timeout.")
    return _("Find out what it is waiting for. To end it, restart its runner.")


def _late(finding: Finding) -> str:
    if finding.reason == NO_RUNNER and finding.next_start:
        values = {"time": str(finding.next_start)}
        return _("No live runner has it: it will not start at %(time)s.") % values
    if finding.reason == NO_RUNNER and not finding.since:
        return _("No live runner has it.")
    if finding.reason == NO_RUNNER:
        return _("No live runner has it; it was due %(ago)s.") % {"ago": _since(finding)}
    return _("It was due %(ago)s at the latest, and has not started.") % {"ago": _since(finding)}


def _about_late(finding: Finding) -> str:
    if finding.reason == NO_RUNNER:
        return _("Restart “manage.py run_jobs” with the current code, without excluding the job.")
    return _("Look at its runner's log.")


def _failing(finding: Finding) -> str:
    values = {"count": finding.number, "ago": _since(finding)}
    lost = ""
    if finding.lost_at is not None:
        lost = _("It was lost with its runner %s.") % ago(finding.lost_at, finding.now)
    if lost and finding.number == 1:
        return lost
    if finding.number == 1:
        text = (
            _("It failed %(ago)s, and maybe before.")
            if finding.at_least
            else _("It failed %(ago)s.")
        )
    elif finding.at_least:
        text = _("It failed at least %(count)d times in a row, first %(ago)s or earlier.")
    else:
        text = _("It failed %(count)d times in a row, first %(ago)s.")
    return f"{text % values} {lost}".strip()


def _down(finding: Finding) -> str:
    if finding.reason == NEVER_A_RUNNER:
        return _("There has been no runner yet, so no jobs are run.")
    runner = finding.runner
    if runner is None:
        return _("No runner is alive, so no jobs are run.")
    if finding.reason == NO_RUNS_ON_TIMER:
        return _(
            "“run_jobs --once” is late, so no jobs are run. The last run was %(ago)s; "
            "the next one was expected within %(time)s."
        ) % {
            "ago": ago(runner.started_at, finding.now),
            "time": duration_in_words(finding.limit),
        }
    return _("No runner is alive, so no jobs are run. The last one, %(runner)s, %(end)s.") % {
        "runner": runner.name,
        "end": _end_of(runner, finding.now),
    }


def _end_of(runner: RunnerFacts, now: dt.datetime) -> str:
    if not runner.stopped_at:
        return _("was last heard of %s") % ago(runner.last_heartbeat_at, now)
    stopped = _("stopped %s") % ago(runner.stopped_at, now)
    reason = _why(runner)
    return f"{stopped} ({reason})" if reason else stopped


def _why(runner: RunnerFacts) -> str:
    """Return why a runner ended, "" if that is not known."""
    if runner.stop_detail and runner.stop_reason not in _SAID_BY_REASON:
        return runner.stop_detail
    return stop_reason_in_words(runner.stop_reason, runner.stop_detail)


def _about_down(finding: Finding) -> str:
    if finding.reason == NO_RUNS_ON_TIMER:
        return _("Find out why the timer does not start it.")
    runner = finding.runner
    if finding.reason == NEVER_A_RUNNER or runner is None:
        return _("It is started with “manage.py run_jobs”.")
    if not runner.stopped_at:
        return _("It was killed or cannot reach the database: start “manage.py run_jobs” again.")
    if runner.stop_reason in JobRunner.ENDED_WITH_ERROR:
        return _("Look at its log, and start “manage.py run_jobs” again.")
    return _("Start “manage.py run_jobs” again.")


def _restarting(finding: Finding) -> str:
    values = {"count": finding.number, "why": _why(finding.runner) if finding.runner else ""}
    if values["why"]:
        text = _("%(count)d runners ended with an error in the last 10 minutes: %(why)s.") % values
    else:
        text = _("%(count)d runners ended with an error in the last 10 minutes.") % values
    if finding.is_anybody_alive:
        return text
    return "{} {}".format(text, _("No runner is alive, so no jobs are run."))


def _about_restarting(finding: Finding) -> str:
    return _("Each end interrupts all jobs. The runner's log has the cause.")


def _duplicates(finding: Finding) -> str:
    values = {"runners": finding.number, "jobs": finding.jobs}
    if finding.jobs == 1 and finding.number == 2:
        return _("%(runners)d runners run the same job: it runs twice.") % values
    if finding.jobs == 1:
        return _("%(runners)d runners run the same job: it runs %(runners)d times.") % values
    if finding.number == 2:
        text = _("%(runners)d runners run the same %(jobs)d jobs: each of them runs twice.")
    else:
        text = _(
            "%(runners)d runners run the same %(jobs)d jobs: each of them runs %(runners)d times."
        )
    return text % values


def _about_duplicates(finding: Finding) -> str:
    return _("Stop all but one, unless this is intended.")


_SENTENCES: Dict[str, Callable[[Finding], str]] = {
    STUCK: _stuck,
    LATE: _late,
    FAILING: _failing,
    DOWN: _down,
    RESTARTING: _restarting,
    DUPLICATES: _duplicates,
}

_ADVICE: Dict[str, Callable[[Finding], str]] = {
    STUCK: _about_stuck,
    LATE: _about_late,
    FAILING: lambda finding: _("Look at its last executions in the admin."),
    DOWN: _about_down,
    RESTARTING: _about_restarting,
    DUPLICATES: _about_duplicates,
}
