"""The runner's loop: starts what is due, watches over it, and decides when all is over."""

from __future__ import annotations

import contextvars
import datetime as dt
import enum
import itertools
import logging
import random
import threading
import time
from queue import Empty
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from quick_jobs.backlog import Record
from quick_jobs.durations import in_words
from quick_jobs.environment import RunEnv
from quick_jobs.execution import Execution, execute
from quick_jobs.history import Farewell, NoHistory, Recorder
from quick_jobs.mailbox import Mailbox
from quick_jobs.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryRefused,
    StartsRecorded,
    StopRequested,
    ThreadDied,
)
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.schedule import Schedule
from quick_jobs.timeouts import Timeouts
from quick_jobs.tracebacks import stack_text
from quick_jobs.workers import WorkerPool

logger = logging.getLogger(__name__)

# Seconds that the last writes get when the jobs have used up the stop timeout.
_LAST_WRITES = 1.0

# Messages handled before the clock is looked at again.
_MESSAGES_AT_ONCE = 1000

# Seconds between two prunings by a runner with a retention, and before its first, with a random
# part so that runners which start together do not prune together.
_PRUNE_INTERVAL = 3600.0
_FIRST_PRUNE = 5.0

_NEVER_BEGUN = "the runner stopped before the job began"


class Limits(NamedTuple):
    """How a runner is to behave; all in seconds but the last, which is in bytes."""

    stop_after: Optional[float]
    stop_timeout: float
    start_record_timeout: float
    heartbeat_interval: float
    prunes: bool
    max_traceback: int


class Phase(enum.Enum):
    RUNNING = "running"
    STOPPING = "waiting for jobs to end"
    CLOSING = "waiting for the history"
    OVER = "over"


class Runner:
    """Runs ``jobs`` until it is told to stop.

    :meth:`run` belongs to one thread. Everything else reaches it as a message,
    so there are no locks: :meth:`request_stop` may be called by a signal
    handler. ``refusal`` says why it could not begin, if so.
    """

    def __init__(
        self,
        jobs: Sequence[RegisteredJob],
        history: Union[Recorder, NoHistory],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.refusal: Optional[str] = None
        self._history = history
        self._limits = limits
        self._clock = clock
        self._wall_clock = wall_clock
        self._chance = chance
        self._inbox: Mailbox[Any] = Mailbox()
        self._handlers: Dict[type, Callable[[Any], None]] = {
            Execution: self._on_ended,
            StartsRecorded: self._on_starts_recorded,
            HistoryAway: self._on_history_away,
            HistoryRefused: self._on_history_refused,
            HistoryClosed: self._on_history_closed,
            StopRequested: self._on_stop_requested,
            ThreadDied: self._on_thread_died,
        }
        self._context = contextvars.copy_context()
        self._pool: WorkerPool[Execution] = WorkerPool(self._work, self._report_dead_worker)
        self._schedule = Schedule(jobs, clock(), chance)
        self._numbers = itertools.count(1)
        self._unrecorded: Dict[int, Tuple[Execution, float]] = {}
        self._running: Dict[int, Execution] = {}
        self._timed_out: Dict[int, Execution] = {}
        self._timeouts = Timeouts(self._running)
        self._records: List[Record] = []
        self._history_answers = history.is_kept and limits.start_record_timeout > 0
        self._phase = Phase.RUNNING
        self._stopping = threading.Event()
        self._stop_reason = ""
        self._stop_detail = ""
        self._was_signalled = False
        self._deadline: Optional[float] = None
        self._history_is_closed = False
        self._has_abandoned = False
        self._exit_status = 0
        self._stop_at = None if limits.stop_after is None else clock() + limits.stop_after
        self._next_beat = clock() + limits.heartbeat_interval
        self._next_prune = clock() + _FIRST_PRUNE * (1 + chance())

    def run(self) -> int:
        """Run until told to stop; return the exit status."""
        self._history.start(self._inbox.put)
        try:
            while self._phase is not Phase.OVER:
                self.step()
        except Exception as exc:
            self._break_down(exc)
        if not self._has_abandoned:
            self._pool.join(_LAST_WRITES)
        return self._exit_status

    def request_stop(self, signal: str) -> None:
        """Stop; asked a second time, stop without waiting for the jobs. Safe in signal handlers."""
        self._inbox.put(StopRequested(signal))

    def step(self) -> None:
        """Wait until there is something to do, and do it."""
        self._receive(self._seconds_to_wait())
        now = self._clock()
        self._begin_due(now)
        self._hand_out_unrecorded(now)
        self._give_up_on_overdue(now)
        self._pool.check(now)
        self._keep_house(now)
        self._proceed_to_stop(now)
        self._send_records()

    def _seconds_to_wait(self) -> Optional[float]:
        moments = [
            self._pool.next_check(),
            self._timeouts.next_check(),
            self._deadline,
        ]
        if self._phase is Phase.RUNNING:
            moments += [self._schedule.next_due(), self._stop_at]
        if self._history.is_kept:
            moments.append(self._next_beat)
            if self._limits.prunes:
                moments.append(self._next_prune)
        if self._unrecorded:
            moments.append(next(iter(self._unrecorded.values()))[1])
        soonest = min((moment for moment in moments if moment is not None), default=None)
        if soonest is None:
            return None
        return min(max(0.0, soonest - self._clock()), threading.TIMEOUT_MAX)

    def _receive(self, timeout: Optional[float]) -> None:
        try:
            self._handle(self._inbox.get(timeout=timeout))
            for _ in range(_MESSAGES_AT_ONCE):
                self._handle(self._inbox.get_nowait())
        except Empty:
            pass

    def _handle(self, message: Any) -> None:
        self._handlers[type(message)](message)

    # Starting.

    def _begin_due(self, now: float) -> None:
        """Start what is due: its record first, if the database answers, then the job."""
        if self._phase is not Phase.RUNNING:
            return
        due = self._schedule.start_due(now)
        if not due:
            return
        started_at = self._wall_clock()
        for scheduled in due:
            execution = Execution(
                next(self._numbers), scheduled, RunEnv(self._stopping), started_at
            )
            self._records.append(execution.record())
            if self._history_answers:
                deadline = now + self._limits.start_record_timeout
                self._unrecorded[execution.number] = (execution, deadline)
            else:
                self._hand_out(execution, now)

    def _hand_out_unrecorded(self, now: float) -> None:
        """Start the jobs that have waited too long for their record."""
        while self._unrecorded:
            execution, deadline = next(iter(self._unrecorded.values()))
            if deadline > now and self._history_answers:
                return
            self._history_answers = False
            del self._unrecorded[execution.number]
            self._hand_out(execution, now)

    def _hand_out(self, execution: Execution, now: float) -> None:
        self._running[execution.number] = execution
        self._timeouts.watch(execution, now)
        self._pool.submit(execution, now)

    def _work(self, execution: Execution) -> None:
        """Run an execution; this happens in a worker's thread."""
        if self._stopping.is_set():
            execution.end(JobExecution.INTERRUPTED, 0.0, _NEVER_BEGUN)
        else:
            execute(execution, self._context.copy(), self._limits.max_traceback)
        self._inbox.put(execution)

    def _report_dead_worker(self, error: BaseException) -> None:
        self._inbox.put(ThreadDied("a worker", error))

    # Messages.

    def _on_ended(self, execution: Execution) -> None:
        self._timed_out.pop(execution.number, None)
        if self._running.pop(execution.number, None) is None:
            return  # it was given up on before
        if execution.ran_over():
            execution.outcome = JobExecution.TIMED_OUT
            execution.error = self._stop_for_timeout(execution)
        self._records.append(execution.record())
        env = execution.env
        if env.fatal_errors_requested and execution.outcome == JobExecution.FAILED:
            detail = f"{execution.name}: {execution.error}"
            self._stop(JobRunner.FATAL_ERROR, detail, exit_status=1)
        elif env.stop_requested:
            self._stop(JobRunner.REQUESTED, execution.name)
        self._schedule.ended(execution.scheduled, self._clock(), env.rerun_requested)

    def _on_starts_recorded(self, message: StartsRecorded) -> None:
        self._history_answers = self._limits.start_record_timeout > 0
        now = self._clock()
        for number in message.numbers:
            waiting = self._unrecorded.pop(number, None)
            if waiting is not None:
                self._hand_out(waiting[0], now)

    def _on_history_away(self, message: HistoryAway) -> None:
        self._history_answers = False

    def _on_history_refused(self, message: HistoryRefused) -> None:
        self.refusal = message.why
        self._stop(JobRunner.CRASHED, "there are no tables for the history", exit_status=1)

    def _on_history_closed(self, message: HistoryClosed) -> None:
        self._history_is_closed = True

    def _on_stop_requested(self, message: StopRequested) -> None:
        if not self._was_signalled:
            self._was_signalled = True
            self._stop(JobRunner.SIGNAL, message.signal)
        else:
            logger.warning("%s again: stopping at once", message.signal)
            self._exit_status = 1
            self._deadline = self._clock()

    def _on_thread_died(self, message: ThreadDied) -> None:
        logger.critical("%s died of an error", message.name, exc_info=message.error)
        self._stop(JobRunner.CRASHED, f"{message.name}: {message.error!r}", exit_status=1)

    # Watching.

    def _give_up_on_overdue(self, now: float) -> None:
        for execution in self._timeouts.overdue(now):
            del self._running[execution.number]
            self._timed_out[execution.number] = execution
            error = self._stop_for_timeout(execution)
            self._give_up(execution, JobExecution.TIMED_OUT, error, now)

    def _stop_for_timeout(self, execution: Execution) -> str:
        timeout = dt.timedelta(seconds=execution.scheduled.timeout or 0.0)
        error = f"ran over its timeout of {in_words(timeout)}"
        self._stop(JobRunner.TIMED_OUT, f"{execution.name} {error}", exit_status=1)
        return error

    def _give_up(self, execution: Execution, outcome: str, error: str, now: float) -> None:
        stack = stack_text(execution.thread_id, self._limits.max_traceback)
        logger.error("%s %s\n%s", execution.name, error, stack)
        self._records.append(execution.record_given_up(outcome, now, error, stack))

    def _keep_house(self, now: float) -> None:
        """Have the heartbeat written and old history deleted, in their time."""
        if not self._history.is_kept:
            return
        if now >= self._next_beat:
            self._history.beat(now)
            self._next_beat = now + self._limits.heartbeat_interval
        if self._limits.prunes and now >= self._next_prune:
            self._history.prune()
            self._next_prune = now + _PRUNE_INTERVAL * (0.9 + 0.2 * self._chance())

    def _send_records(self) -> None:
        if self._records:
            self._history.put(self._records)
            self._records = []

    # Stopping.

    def _stop(self, reason: str, detail: str, exit_status: int = 0) -> None:
        """Begin to stop; if that has begun already, only the exit status can become worse."""
        self._exit_status = max(self._exit_status, exit_status)
        if self._phase is not Phase.RUNNING:
            return
        logger.info("stopping: %s", detail)
        self._phase = Phase.STOPPING
        self._stop_reason = reason
        self._stop_detail = detail
        self._stopping.set()
        now = self._clock()
        self._deadline = now + self._limits.stop_timeout
        self._send_records()
        for execution, _ in self._unrecorded.values():
            if not self._history.forget(execution.number):
                self._records.append(
                    execution.record_given_up(JobExecution.INTERRUPTED, now, _NEVER_BEGUN, "")
                )
        self._unrecorded.clear()

    def _proceed_to_stop(self, now: float) -> None:
        """Take the next step on the way out, when its time has come."""
        if self._phase is Phase.RUNNING and self._stop_at is not None and now >= self._stop_at:
            self._stop(JobRunner.STOP_AFTER, f"after {self._limits.stop_after:.0f} s")
        is_late = self._deadline is not None and now >= self._deadline
        if self._phase is Phase.STOPPING and is_late:
            self._abandon_running(now)
        if self._phase is Phase.STOPPING and not (self._running or self._timed_out):
            self._close(now)
        elif self._phase is Phase.CLOSING and (self._history_is_closed or is_late):
            self._history.give_up()
            self._phase = Phase.OVER

    def _abandon_running(self, now: float) -> None:
        """Leave without the jobs that do not end."""
        self._has_abandoned = bool(self._running or self._timed_out)
        for execution in self._running.values():
            if execution.entered is None:
                self._records.append(
                    execution.record_given_up(JobExecution.INTERRUPTED, now, _NEVER_BEGUN, "")
                )
            else:
                self._exit_status = 1
                self._give_up(execution, JobExecution.ABANDONED, "did not end in time", now)
        for execution in self._timed_out.values():
            logger.error("%s, which ran over its timeout, has not ended since", execution.name)
        self._running.clear()
        self._timed_out.clear()

    def _close(self, now: float) -> None:
        """Have the history closed, which takes until all is written."""
        self._phase = Phase.CLOSING
        self._deadline = max(self._deadline or now, now + _LAST_WRITES)
        self._pool.stop()
        self._send_records()
        self._history.stop(Farewell(self._stop_reason, self._stop_detail, self._wall_clock()))

    def _break_down(self, error: Exception) -> None:
        """Save what can be saved when the loop itself has failed."""
        self._on_thread_died(ThreadDied("the runner's loop", error))
        now = self._clock()
        self._abandon_running(now)
        self._close(now)
        try:
            while not isinstance(self._inbox.get(timeout=_LAST_WRITES), HistoryClosed):
                pass
        except Empty:
            pass
        self._history.give_up()
