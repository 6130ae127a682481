"""What a runner asks of its history, whether one is kept or not."""

from __future__ import annotations

import abc
import datetime as dt
from typing import Callable, Iterable, NamedTuple, Optional, Sequence

from quick_jobs.history.look import Look
from quick_jobs.history.messages import HistoryClosed, HistoryMessage
from quick_jobs.history.record import Record

Tell = Callable[[HistoryMessage], None]


class StopInfo(NamedTuple):
    """Why and when (POSIX time) the runner stopped."""

    reason: str
    detail: str
    stopped_at: float


class History(abc.ABC):
    """Takes what a runner has to say. No method waits for a database, but for one that says so."""

    #: Whether anything is kept.
    is_kept: bool

    @abc.abstractmethod
    def start(self, tell: Tell) -> None:
        """Begin; ``tell`` is called, in any thread, with messages of the history."""

    @abc.abstractmethod
    def put(self, records: Iterable[Record]) -> None:
        """Have ``records`` written."""

    @abc.abstractmethod
    def forget(self, number: int) -> bool:
        """Take back a start that is not written yet; return False if it may be on record."""

    @abc.abstractmethod
    def beat(self, now: float, looks: Sequence[Look] = ()) -> None:
        """Have a heartbeat written: the loop was alive ``now``, in monotonic seconds.

        ``looks`` are what is new of the executions that run.
        """

    @abc.abstractmethod
    def prune(self) -> None:
        """Have what is older than the retention setting deleted, when there is time."""

    @abc.abstractmethod
    def waits_since(self) -> Optional[float]:
        """Return when the call began that the database has not answered yet, in monotonic seconds.

        None if there is none.
        """

    @abc.abstractmethod
    def break_off(self) -> bool:
        """Have that call fail, which is then tried again; return False if that cannot be."""

    @abc.abstractmethod
    def previous_success(self, job_name: str, known: Optional[float]) -> Optional[dt.datetime]:
        """Return when the job's last execution that succeeded started; waits for the database.

        This is for the threads of jobs. ``known`` is the last one in this runner, as POSIX time.
        """

    @abc.abstractmethod
    def stop(self, stop_info: StopInfo) -> None:
        """Have all that waits written, then why the runner stopped; then close."""

    @abc.abstractmethod
    def give_up(self) -> bool:
        """Close as soon as possible; what could not be written goes to the log, as JSON lines.

        Return whether something was lost to an error that is no outage.
        """


class NoHistory(History):
    """Keeps nothing, and touches no database."""

    is_kept = False

    def start(self, tell: Tell) -> None:
        self._tell = tell

    def put(self, records: Iterable[Record]) -> None:
        pass

    def forget(self, number: int) -> bool:
        return True

    def beat(self, now: float, looks: Sequence[Look] = ()) -> None:
        pass

    def prune(self) -> None:
        pass

    def waits_since(self) -> Optional[float]:
        return None

    def break_off(self) -> bool:
        return False

    def previous_success(self, job_name: str, known: Optional[float]) -> Optional[dt.datetime]:
        return None if known is None else dt.datetime.fromtimestamp(known, dt.timezone.utc)

    def stop(self, stop_info: StopInfo) -> None:
        self._tell(HistoryClosed())

    def give_up(self) -> bool:
        return False
