"""The runner's loop: starts jobs that are due, watches timeouts, and decides when to end."""

from __future__ import annotations

import contextvars
import threading
import time
from random import random as a_random_share
from typing import Callable, Optional, Sequence

from quick_jobs.history import History
from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryRefused,
    LastStarts,
    StartsRecorded,
    ThreadDied,
)
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution, execute
from quick_jobs.runner.housekeeping import Housekeeping
from quick_jobs.runner.inbox import Inbox, StopRequested
from quick_jobs.runner.observer import Observer
from quick_jobs.runner.options import RunnerOptions
from quick_jobs.runner.outbox import NEVER_BEGUN, Outbox
from quick_jobs.runner.plan import NewPlan
from quick_jobs.runner.planning import Planning
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.schedule import Schedule
from quick_jobs.runner.shutdown import LAST_WRITES, REFUSED, Phase, Shutdown
from quick_jobs.runner.starts import Starts
from quick_jobs.runner.stopping import Stopping
from quick_jobs.runner.workers import WorkerPool
from quick_jobs.stop_flag import StopFlag

logger = get_logger(__name__, may_wait=False)


class Runner:
    """Runs ``jobs`` until it is told to stop.

    :meth:`run` belongs to one thread. Everything else reaches it as a message,
    so there are no locks, and a signal handler may call :meth:`request_stop`.
    ``refusal`` is why it could not begin, if so.
    """

    def __init__(
        self,
        jobs: Sequence[RegisteredJob],
        history: History,
        options: RunnerOptions,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = a_random_share,
        new_plan: NewPlan = Planning,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.refusal: Optional[str] = None
        self._history = history
        self._options = options
        self._clock = clock
        self._wall_clock = wall_clock
        self._inbox = Inbox(
            {
                Execution: self._on_ended,
                StartsRecorded: self._on_starts_recorded,
                LastStarts: lambda last: self._planning.resume(last.by_name, self._clock()),
                HistoryAway: lambda message: self._starts.history_is_away(),
                HistoryRefused: self._on_history_refused,
                HistoryClosed: self._on_history_closed,
                StopRequested: self._on_stop_requested,
                ThreadDied: self._on_thread_died,
            }
        )
        self._outbox = Outbox(history, options.max_traceback, observers)
        self._context = contextvars.copy_context()
        self._pool: WorkerPool[Execution] = WorkerPool(
            self._work, lambda error: self._inbox.put(ThreadDied("a worker", error))
        )
        self._is_stopping = StopFlag()
        now = clock()
        schedule = Schedule((), now, random, wall_clock() - now)
        self._planning = new_plan(schedule, jobs, history.is_kept, options.heartbeat_interval, now)
        self._starts = Starts(
            schedule,
            self._is_stopping,
            options.start_record_timeout if history.is_kept else 0.0,
            history.previous_success,
        )
        self._running = RunningExecutions()
        self._shutdown = Shutdown(options.stop_timeout)
        self._was_signalled = False
        self._stopping = Stopping(
            self._shutdown,
            self._is_stopping,
            self._starts,
            self._running,
            self._pool,
            self._outbox,
            history,
            wall_clock,
            options.stop_after,
            now,
        )
        self._housekeeping = Housekeeping(history, options, self._running, now, random)
        self._observers = observers

    def run(self) -> int:
        """Run until told to stop; return the exit status."""
        self._planning.announce(self._clock())
        self._history.start(self._inbox.put)
        try:
            while self._shutdown.phase is not Phase.OVER:
                self.step()
        except Exception as exc:
            self._break_down(exc)
        return self._stopping.end(self._planning.exit_status, self._clock())

    def request_stop(self, signal: str) -> None:
        """Stop. The second call stops without waiting for jobs. Safe in signal handlers."""
        self._inbox.put(StopRequested(signal))

    def wake(self) -> None:
        """Make the thread of :meth:`run` execute Python code, which signal handlers need."""
        self._inbox.wake()

    def step(self) -> None:
        """Wait until there is something to do, and do it."""
        self._inbox.handle_all(self._seconds_to_wait())
        now = self._clock()
        self._planning.check(now, self._wall_clock())
        if self._planning.end:
            self._stop(*self._planning.end)
        self._begin_due(now)
        for execution in self._starts.overdue(now):
            self._hand_out(execution, now)
        for execution in self._running.give_up_on_overdue(now):
            self._stop_for_timeout(execution)
            self._outbox.put_given_up(execution, JobExecution.TIMED_OUT, execution.overrun, now)
        self._pool.check(now)
        is_stopping = self._shutdown.phase is not Phase.RUNNING
        self._housekeeping.do(now, is_stopping)
        for observer in self._observers:
            observer.look(now, is_stopping, self._running)
        self._stopping.proceed(now)
        self._outbox.send()

    def _seconds_to_wait(self) -> Optional[float]:
        now = self._clock()
        is_stopping = self._shutdown.phase is not Phase.RUNNING
        moments = [
            self._pool.next_check(),
            self._starts.next_check(),
            self._running.next_check(),
            self._stopping.next_check(),
            self._housekeeping.next_check(now, is_stopping),
        ]
        for observer in self._observers:
            moments.append(observer.next_check())
        if not is_stopping:
            moments += [self._starts.next_due(), self._planning.next_check(now)]
        known = [moment for moment in moments if moment is not None]
        return min(max(0.0, min(known) - now), threading.TIMEOUT_MAX) if known else None

    # Starting.

    def _begin_due(self, now: float) -> None:
        """Start jobs that are due: first the record, if the database answers, then the job."""
        if self._shutdown.phase is not Phase.RUNNING:
            return
        records, ready = self._starts.begin_due(now, self._wall_clock())
        if records:
            self._outbox.put(records)
        for execution in ready:
            self._hand_out(execution, now)

    def _hand_out(self, execution: Execution, now: float) -> None:
        self._running.add(execution, now)
        for observer in self._observers:
            observer.started(execution)
        self._pool.submit(execution, now)

    def _work(self, execution: Execution) -> None:
        """Run an execution. Called in a worker's thread."""
        if self._is_stopping.is_set():
            execution.end(JobExecution.INTERRUPTED, 0.0, NEVER_BEGUN)
        else:
            execute(
                execution,
                self._context.copy(),
                self._options.max_traceback,
                self._clock,
                self._wall_clock,
            )
        self._inbox.put_ended(execution, self._pool.waiting)

    # Messages.

    def _on_ended(self, execution: Execution) -> None:
        if not self._running.end(execution):
            return
        if execution.ran_over():
            self._stop_for_timeout(execution)
        self._outbox.put_ended(execution)
        env = execution.env
        if env.fatal_errors_requested and execution.outcome == JobExecution.FAILED:
            detail = f"{execution.name}: {execution.error}"
            self._stop(JobRunner.FATAL_ERROR, detail, exit_status=1)
        elif env.stop_requested:
            self._stop(JobRunner.REQUESTED, execution.name)
        self._planning.ended(execution.outcome, env.rerun_requested)
        self._starts.ended(execution, self._clock())

    def _on_starts_recorded(self, message: StartsRecorded) -> None:
        now = self._clock()
        self._housekeeping.database_answered()
        for execution in self._starts.recorded(message.numbers):
            self._hand_out(execution, now)

    def _on_history_refused(self, message: HistoryRefused) -> None:
        self.refusal = message.why
        self._stop(JobRunner.CRASHED, REFUSED, exit_status=1)

    def _on_history_closed(self, message: HistoryClosed) -> None:
        self._stopping.history_is_closed = True

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

    # Stopping.

    def _stop_for_timeout(self, execution: Execution) -> None:
        self._stop(JobRunner.TIMED_OUT, f"{execution.name} {execution.overrun}", exit_status=1)

    def _stop(self, reason: str, detail: str, exit_status: int = 0) -> None:
        """Begin to stop. After that, only the exit status can become worse."""
        self._stopping.begin(reason, detail, exit_status, self._clock())

    def _break_down(self, error: Exception) -> None:
        """Save what is possible when the loop itself has failed."""
        self._on_thread_died(ThreadDied("the runner's loop", error))
        now = self._clock()
        self._stopping.abandon_running(now)
        self._stopping.close(now)
        self._inbox.wait_for(HistoryClosed, LAST_WRITES)
        self._history.give_up()
