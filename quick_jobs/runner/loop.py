"""The runner's loop: starts what is due, watches over it, and decides when all is over."""

from __future__ import annotations

import contextvars
import datetime as dt
import itertools
import logging
import threading
import time
from queue import Empty
from random import random as a_random_share
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Union

from quick_jobs.durations import in_words
from quick_jobs.environment import RunEnv
from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    StartsRecorded,
    StopRequested,
    TablesMissing,
    ThreadDied,
)
from quick_jobs.history.record import Record
from quick_jobs.history.recorder import NoHistory, Recorder, StopInfo
from quick_jobs.mailbox import Mailbox
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution, execute
from quick_jobs.runner.maintenance import Maintenance
from quick_jobs.runner.pending_starts import PendingStarts
from quick_jobs.runner.schedule import Schedule
from quick_jobs.runner.shutdown import LAST_WRITES, Phase, Shutdown
from quick_jobs.runner.timeouts import Timeouts
from quick_jobs.runner.workers import WorkerPool
from quick_jobs.tracebacks import stack_text

logger = logging.getLogger(__name__)

# Messages handled before the clock is looked at again.
_MESSAGES_AT_ONCE = 1000

# While more executions than this wait for a thread, ends do not wake the loop, which would
# interrupt the workers each time. It finds them when it looks after those that wait.
_MANY_WAITING = 20

_NEVER_BEGUN = "the runner stopped before the job began"


class RunnerOptions(NamedTuple):
    """How a runner is to behave; all in seconds but the last, which is in bytes."""

    stop_after: Optional[float]
    stop_timeout: float
    start_record_timeout: float
    heartbeat_interval: float
    prunes: bool
    max_traceback: int


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
        options: RunnerOptions,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = a_random_share,
    ) -> None:
        self.refusal: Optional[str] = None
        self._history = history
        self._options = options
        self._clock = clock
        self._wall_clock = wall_clock
        self._inbox: Mailbox[Any] = Mailbox()
        self._handlers: Dict[type, Callable[[Any], None]] = {
            Execution: self._on_ended,
            StartsRecorded: self._on_starts_recorded,
            HistoryAway: self._on_history_away,
            TablesMissing: self._on_tables_missing,
            HistoryClosed: self._on_history_closed,
            StopRequested: self._on_stop_requested,
            ThreadDied: self._on_thread_died,
        }
        self._context = contextvars.copy_context()
        self._pool: WorkerPool[Execution] = WorkerPool(self._work, self._report_dead_worker)
        self._schedule = Schedule(jobs, clock(), random)
        self._numbers = itertools.count(1)
        self._pending = PendingStarts(options.start_record_timeout if history.is_kept else 0.0)
        self._behind_since: Optional[float] = None  # when there was no room for all that is due
        self._running: Dict[int, Execution] = {}
        self._timed_out: Dict[int, Execution] = {}
        self._timeouts = Timeouts(self._running)
        self._records: List[Record] = []
        self._shutdown = Shutdown(options.stop_timeout)
        self._stopping = threading.Event()
        self._was_signalled = False
        self._history_is_closed = False
        self._has_abandoned = False
        self._stop_at = None if options.stop_after is None else clock() + options.stop_after
        self._maintenance: Optional[Maintenance] = None
        if history.is_kept:
            self._maintenance = Maintenance(
                options.heartbeat_interval, options.prunes, clock(), random
            )

    def run(self) -> int:
        """Run until told to stop; return the exit status."""
        self._history.start(self._inbox.put)
        try:
            while self._shutdown.phase is not Phase.OVER:
                self.step()
        except Exception as exc:
            self._break_down(exc)
        if not self._has_abandoned:
            self._pool.join(LAST_WRITES)
        return self._shutdown.exit_status

    def request_stop(self, signal: str) -> None:
        """Stop; asked a second time, stop without waiting for the jobs. Safe in signal handlers."""
        self._inbox.put(StopRequested(signal))

    def wake(self) -> None:
        """Have the thread of :meth:`run` take a step of Python, as signal handlers need."""
        self._inbox.wake()

    def step(self) -> None:
        """Wait until there is something to do, and do it."""
        self._receive(self._seconds_to_wait())
        now = self._clock()
        self._begin_due(now)
        for execution in self._pending.overdue(now):
            self._hand_out(execution, now)
        self._give_up_on_overdue(now)
        self._pool.check(now)
        self._keep_house(now)
        self._proceed_to_stop(now)
        self._send_records()

    def _seconds_to_wait(self) -> Optional[float]:
        moments = [
            self._pool.next_check(),
            self._pending.next_check(),
            self._timeouts.next_check(),
            self._shutdown.deadline,
        ]
        if self._shutdown.phase is Phase.RUNNING:
            moments.append(self._stop_at)
            if self._pending.room:
                moments.append(self._schedule.next_due())
        if self._maintenance:
            moments.append(self._maintenance.next_check())
        soonest = min([moment for moment in moments if moment is not None], default=None)
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
        if self._shutdown.phase is not Phase.RUNNING:
            return
        due = self._schedule.start_due(now, self._pending.room)
        if not due:
            return
        since = now if self._behind_since is None else self._behind_since
        started_at = self._wall_clock()
        for scheduled in due:
            execution = Execution(
                next(self._numbers), scheduled, RunEnv(self._stopping), started_at
            )
            self._records.append(execution.record())
            if self._pending.are_awaited:
                self._pending.add(execution, since)
            else:
                self._hand_out(execution, now)
        next_due = self._schedule.next_due()
        self._behind_since = since if next_due is not None and next_due <= now else None

    def _hand_out(self, execution: Execution, now: float) -> None:
        self._running[execution.number] = execution
        self._timeouts.watch(execution, now)
        self._pool.submit(execution, now)

    def _work(self, execution: Execution) -> None:
        """Run an execution; this happens in a worker's thread."""
        if self._stopping.is_set():
            execution.end(JobExecution.INTERRUPTED, 0.0, _NEVER_BEGUN)
        else:
            execute(execution, self._context.copy(), self._options.max_traceback)
        if self._pool.waiting > _MANY_WAITING:
            self._inbox.put_quietly(execution)
        else:
            self._inbox.put(execution)

    def _report_dead_worker(self, error: BaseException) -> None:
        self._inbox.put(ThreadDied("a worker", error))

    # Messages.

    def _on_ended(self, execution: Execution) -> None:
        self._timed_out.pop(execution.number, None)
        if self._running.pop(execution.number, None) is None:
            return  # it was given up on before
        if execution.ran_over():
            self._stop_for_timeout(execution)
        self._records.append(execution.record())
        env = execution.env
        if env.fatal_errors_requested and execution.outcome == JobExecution.FAILED:
            detail = f"{execution.name}: {execution.error}"
            self._stop(JobRunner.FATAL_ERROR, detail, exit_status=1)
        elif env.stop_requested:
            self._stop(JobRunner.REQUESTED, execution.name)
        self._schedule.ended(execution.scheduled, self._clock(), env.rerun_requested)

    def _on_starts_recorded(self, message: StartsRecorded) -> None:
        now = self._clock()
        for execution in self._pending.recorded(message.numbers):
            self._hand_out(execution, now)

    def _on_history_away(self, message: HistoryAway) -> None:
        self._pending.history_is_away()

    def _on_tables_missing(self, message: TablesMissing) -> None:
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
            self._shutdown.hurry(self._clock())

    def _on_thread_died(self, message: ThreadDied) -> None:
        logger.critical("%s died of an error", message.name, exc_info=message.error)
        self._stop(JobRunner.CRASHED, f"{message.name}: {message.error!r}", exit_status=1)

    # Watching.

    def _give_up_on_overdue(self, now: float) -> None:
        for execution in self._timeouts.overdue(now):
            del self._running[execution.number]
            self._timed_out[execution.number] = execution
            self._stop_for_timeout(execution)
            self._give_up(execution, JobExecution.TIMED_OUT, execution.overrun, now)

    def _stop_for_timeout(self, execution: Execution) -> None:
        detail = f"{execution.name} {execution.overrun}"
        self._stop(JobRunner.TIMED_OUT, detail, exit_status=1)

    def _give_up(self, execution: Execution, outcome: str, error: str, now: float) -> None:
        stack = stack_text(execution.thread_id, self._options.max_traceback)
        logger.error("%s %s\n%s", execution.name, error, stack)
        self._records.append(execution.record_given_up(outcome, now, error, stack))

    def _keep_house(self, now: float) -> None:
        """Have the heartbeat written and old history deleted, in their time."""
        if self._maintenance and self._maintenance.beat_is_due(now):
            self._history.beat(now)
        if self._maintenance and self._maintenance.pruning_is_due(now):
            self._history.prune()

    def _send_records(self) -> None:
        if self._records:
            self._history.put(self._records)
            self._records = []

    # Stopping.

    def _stop(self, reason: str, detail: str, exit_status: int = 0) -> None:
        """Begin to stop; if that has begun already, only the exit status can become worse."""
        now = self._clock()
        if not self._shutdown.begin(reason, detail, exit_status, now):
            return
        logger.info("stopping: %s", detail)
        self._stopping.set()
        self._send_records()
        for execution in self._pending.take_all():
            if not self._history.forget(execution.number):
                self._record_never_begun(execution, now)

    def _proceed_to_stop(self, now: float) -> None:
        """Take the next step on the way out, when its time has come."""
        shutdown = self._shutdown
        if shutdown.phase is Phase.RUNNING and self._stop_at is not None and now >= self._stop_at:
            lifetime = dt.timedelta(seconds=self._options.stop_after or 0.0)
            self._stop(JobRunner.STOP_AFTER, f"after {in_words(lifetime)}")
        if shutdown.phase is Phase.STOPPING and shutdown.is_late(now):
            self._abandon_running(now)
        if shutdown.phase is Phase.STOPPING and not (self._running or self._timed_out):
            self._close(now)
        elif shutdown.phase is Phase.CLOSING and (self._history_is_closed or shutdown.is_late(now)):
            self._history.give_up()
            shutdown.finish()

    def _record_never_begun(self, execution: Execution, now: float) -> None:
        self._records.append(
            execution.record_given_up(JobExecution.INTERRUPTED, now, _NEVER_BEGUN, "")
        )

    def _abandon_running(self, now: float) -> None:
        """Leave without the jobs that do not end."""
        self._has_abandoned = bool(self._running or self._timed_out)
        for execution in self._running.values():
            if execution.entered is None:
                self._record_never_begun(execution, now)
            else:
                self._shutdown.exit_status = 1
                self._give_up(execution, JobExecution.ABANDONED, "did not end in time", now)
        for execution in self._timed_out.values():
            logger.error("%s, which ran over its timeout, has not ended since", execution.name)
        self._running.clear()
        self._timed_out.clear()

    def _close(self, now: float) -> None:
        """Have the history closed, which takes until all is written."""
        shutdown = self._shutdown
        shutdown.close(now)
        self._pool.stop()
        self._send_records()
        self._history.stop(StopInfo(shutdown.reason, shutdown.detail, self._wall_clock()))

    def _break_down(self, error: Exception) -> None:
        """Save what can be saved when the loop itself has failed."""
        self._on_thread_died(ThreadDied("the runner's loop", error))
        now = self._clock()
        self._abandon_running(now)
        self._close(now)
        try:
            while not isinstance(self._inbox.get(timeout=LAST_WRITES), HistoryClosed):
                pass
        except Empty:
            pass
        self._history.give_up()
