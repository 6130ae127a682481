"""The interface of a history to its runner, whether one is kept or not."""

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
    """Takes a runner's records. No method waits for a database unless it says so."""

    #: Whether anything is kept.
    is_kept: bool

    #: The start of the call that the database has not answered, in monotonic seconds, or None.
    waits_since: Optional[float] = None

    @abc.abstractmethod
    def start(self, tell: Tell) -> None:
        """Begin; ``tell`` is called, in any thread, with messages of the history."""

    @abc.abstractmethod
    def put(self, records: Iterable[Record]) -> None:
        """Let ``records`` be written."""

    @abc.abstractmethod
    def forget(self, number: int) -> bool:
        """Remove a start that is not written yet; return False if it may be on record."""

    @abc.abstractmethod
    def beat(self, now: float, looks: Sequence[Look] = ()) -> None:
        """Let a heartbeat be written: the loop was alive ``now``, in monotonic seconds.

        ``looks`` are the changes of running executions.
        """

    @abc.abstractmethod
    def prune(self) -> None:
        """Let history older than the retention setting be deleted, when there is time."""

    @abc.abstractmethod
    def break_off(self) -> bool:
        """Let that call fail and be tried again; return False if that is impossible."""

    @abc.abstractmethod
    def previous_success(self, job_name: str, known: Optional[float]) -> Optional[dt.datetime]:
        """Return the start of the job's last success; waits for the database.

        This is for the threads of jobs. ``known`` is the last one in this runner, as POSIX time.
        """

    @abc.abstractmethod
    def stop(self, stop_info: StopInfo) -> None:
        """Let everything that waits be written, then why the runner stopped; then close."""

    @abc.abstractmethod
    def give_up(self) -> bool:
        """Close as soon as possible, and log unwritten records as JSON lines.

        Return whether records were lost to an error that is not an outage.
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

    def break_off(self) -> bool:
        return False

    def previous_success(self, job_name: str, known: Optional[float]) -> Optional[dt.datetime]:
        return None if known is None else dt.datetime.fromtimestamp(known, dt.timezone.utc)

    def stop(self, stop_info: StopInfo) -> None:
        self._tell(HistoryClosed())

    def give_up(self) -> bool:
        return False
