"""Coloured badges with text, for the states of executions and runners."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from quick_jobs.admin.page_clock import PageClock
from quick_jobs.health import STATES
from quick_jobs.models import JobExecution, JobRunner

LOST = "lost"
ALIVE = "alive"
STOPPED = "stopped"

#: The badge of a runner that was stopped by an error, which is not a state of its own.
BROKEN = "broken"

#: The states of executions: the outcomes, and "lost", which is derived.
EXECUTION_STATES = (*JobExecution.OUTCOMES, (JobExecution.LOST, pgettext_lazy("execution", "lost")))

RUNNER_STATES = (
    (ALIVE, _("running")),
    (LOST, _("lost")),
    (STOPPED, _("stopped")),
)

#: Other kinds with a colour in admin.css: jobs by their runners, and many executions at once.
_OTHER_KINDS = (BROKEN, "none", "many")

_KINDS = frozenset(
    [*(state for state, _text in (*EXECUTION_STATES, *RUNNER_STATES, *STATES)), *_OTHER_KINDS]
)

_EXECUTION_TEXTS = dict(EXECUTION_STATES)
_RUNNER_TEXTS = dict(RUNNER_STATES)
_JOB_TEXTS = dict(STATES)


def execution_text(state: str) -> str:
    """Return the name of an execution's state, in the reader's language."""
    return str(_EXECUTION_TEXTS.get(state, state))


def execution_badge(state: str) -> str:
    return badge(state, execution_text(state))


def runner_state(runner: JobRunner, clock: PageClock) -> str:
    if runner.stopped_at is not None:
        return STOPPED
    return ALIVE if clock.is_alive(runner) else LOST


def runner_text(state: str) -> str:
    """Return the name of a runner's state, in the reader's language."""
    return str(_RUNNER_TEXTS[state])


def runner_badge(state: str, stop_reason: str = "") -> str:
    """Return the badge of a runner. One that was stopped by an error looks different."""
    if state == STOPPED and stop_reason in JobRunner.ENDED_WITH_ERROR:
        return badge(BROKEN, str(_("stopped by an error")))
    return badge(state, runner_text(state))


def job_badge(state: str) -> str:
    return badge(state, str(_JOB_TEXTS[state]))


def badge(kind: str, text: str) -> str:
    """Return HTML of a badge. ``kind`` chooses its colour, see admin.css."""
    return format_html('<span class="qj-badge {}">{}</span>', look(kind), text)


def look(kind: str) -> str:
    """Return the CSS class for ``kind``, which may be any text from a row."""
    return f"qj-{kind}" if kind in _KINDS else "qj-unknown"
