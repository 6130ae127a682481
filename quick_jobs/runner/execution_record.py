"""The records of an execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from quick_jobs.history.record import Record, Words
from quick_jobs.history.texts import stored_note
from quick_jobs.models import JobExecution
from quick_jobs.progress import as_floats
from quick_jobs.tracebacks import fingerprint_of_outcome

if TYPE_CHECKING:
    from quick_jobs.runner.execution import Execution


def record_of(execution: Execution) -> Record:
    """Return the record of what is known of an execution now."""
    entered, duration = execution.entered, execution.duration
    words = None
    if duration is not None:
        words = _words(execution, execution.note, execution.log, execution.fingerprint)
    return Record(  # positional, because keyword arguments would take twice the time
        execution.number,
        execution.scheduled.name,
        execution.started_at,
        None if duration is None else execution.started_at + duration,
        duration,
        None if entered is None else max(0.0, entered - execution.due),
        execution.outcome,
        execution.error,
        execution.traceback,
        execution.due_at,
        execution.call.cpu_time,
        words,
    )


def record_given_up(
    execution: Execution, outcome: str, now: float, error: str, stack: str
) -> Record:
    """Return the record of an execution that the runner no longer waits for.

    Its log and note so far are kept. If it has ended and only receivers of a signal keep its
    thread, its record stays as it is.
    """
    record = record_of(execution)
    if record.is_end:
        return record
    duration = 0.0 if execution.entered is None else now - execution.entered
    log = "" if execution.capture is None else execution.capture.final_text(succeeded=False)
    is_failure = outcome != JobExecution.INTERRUPTED
    fingerprint = fingerprint_of_outcome(outcome, execution.name) if is_failure else ""
    return record._replace(
        finished_at=execution.started_at + duration,
        duration=duration,
        outcome=outcome,
        error=error,
        traceback=stack,
        words=_words(execution, stored_note(execution.env.noted), log, fingerprint),
    )


def _words(execution: Execution, note: str, log: str, fingerprint: str) -> Optional[Words]:
    """Return its words, None if there are none and none are on record."""
    reached = execution.env.reached
    if not (note or log or fingerprint or reached is not None or execution.was_observed):
        return None
    return Words(note, *as_floats(reached), log, fingerprint)
