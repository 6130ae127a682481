"""The records that wait to be written, in bounded memory.

The mailbox between the runner's loop, which puts records in, and the recorder,
which takes them out in batches. It decides what a batch holds, what must be
tried again, and what is given up when memory runs out; it never touches a
database.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import Dict, Iterable, List, Set

from quick_jobs.history.record import Record

# Ends that may wait while there are starts to write: as many as a burst of jobs leaves behind, and
# few enough to be written in a moment.
_MANY_ENDS = 1000


class Backlog:
    """Starts and ends on their way to the database, each execution once.

    Where a record is, and how it moves:

    ===========  ============================  ==================================
    place        what is there                 what takes it away
    ===========  ============================  ==================================
    starts       starts not written yet        take; forget; the end, put instead
    ends         ends of executions that the   take; dropped, the oldest first,
                 database has never heard of   when memory runs out
    owed         ends whose start was taken    take; put_back, into in_doubt
    batch        what take has returned        confirm; put_back, into in_doubt
    in_doubt     a batch that was put back     take, by itself
    ===========  ============================  ==================================

    ``capacity`` is in bytes. What is dropped is counted in ``dropped``. An
    execution whose start may be on record is never dropped, because it would
    stay "running". There are few of those, as one batch at a time is in doubt.
    """

    def __init__(self, capacity: int) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._size = 0
        self._lock = threading.Lock()
        self._starts: Dict[int, Record] = {}
        self._ends: Dict[int, Record] = {}
        self._owed: Dict[int, Record] = {}  # ends of executions whose start was taken
        self._maybe_on_record: Set[int] = set()  # executions that were taken, and have no end yet
        self._batch: List[Record] = []
        self._in_doubt: Dict[int, Record] = {}  # the batch that was put back

    def put(self, records: Iterable[Record]) -> bool:
        """Add ``records``; return whether these are the first ones that wait."""
        with self._lock:
            was_empty = self._is_empty()
            for record in records:
                self._size += record.size
                if record.is_end:
                    self._put_end(record)
                else:
                    self._starts[record.number] = record
            while self._size > self._capacity and self._ends:
                self._size -= self._ends.pop(next(iter(self._ends))).size
                self.dropped += 1
            return was_empty and not self._is_empty()

    def _put_end(self, record: Record) -> None:
        start = self._starts.pop(record.number, None)
        if start is not None:
            self._size -= start.size
        if record.number not in self._maybe_on_record:
            self._ends[record.number] = record
            return
        self._maybe_on_record.remove(record.number)
        if record.number in self._in_doubt:
            self._size -= self._in_doubt[record.number].size
            self._in_doubt[record.number] = record
        else:
            self._owed[record.number] = record

    def forget(self, number: int) -> bool:
        """Remove a start; return False if it may be on record already."""
        with self._lock:
            if number not in self._starts:
                return False
            self._size -= self._starts.pop(number).size
            return True

    def take(self, limit: int) -> List[Record]:
        """Take a batch of about ``limit`` starts and ends, no execution twice.

        Jobs wait for their starts, so these come first. Ends fill up the batch;
        they only share it equally when they have piled up. A batch that was put
        back comes again, alone, with the ends that have come since. It has to be
        followed by :meth:`confirm` or :meth:`put_back`.
        """
        with self._lock:
            if self._in_doubt:
                self._batch = list(self._in_doubt.values())
                self._in_doubt = {}
                return self._batch
            starts = list(islice(self._starts.values(), limit))
            have_piled_up = len(self._owed) + len(self._ends) > _MANY_ENDS
            room = limit if have_piled_up else limit - len(starts)
            ends = list(islice(self._owed.values(), room))
            ends += islice(self._ends.values(), room - len(ends))
            for record in starts:
                del self._starts[record.number]
                self._maybe_on_record.add(record.number)
            for record in ends:
                self._owed.pop(record.number, None)
                self._ends.pop(record.number, None)
            self._batch = starts + ends
            return self._batch

    def confirm(self) -> None:
        """The batch is on record."""
        with self._lock:
            self._size -= sum(record.size for record in self._batch)
            self._batch = []

    def put_back(self) -> None:
        """The batch may be on record or not: it must be written again."""
        with self._lock:
            for record in self._batch:
                end = self._owed.pop(record.number, None)
                if end is not None:  # it has come meanwhile
                    self._size -= record.size
                self._in_doubt[record.number] = end or record
            self._batch = []

    def unsaved(self) -> List[Record]:
        """Return everything not known to be on record, one record per execution, in order."""
        with self._lock:
            records = {record.number: record for record in self._batch}
            for waiting in (self._in_doubt, self._starts, self._owed, self._ends):
                records.update(waiting)
            return [records[number] for number in sorted(records)]

    def has_start(self, number: int) -> bool:
        """Return whether the start of this execution is not known to be on record."""
        with self._lock:
            return number in self._starts or number in self._in_doubt

    def has_waiting(self) -> bool:
        """Return whether anything waits."""
        with self._lock:
            return not self._is_empty()

    def _is_empty(self) -> bool:
        return not (self._in_doubt or self._starts or self._ends or self._owed)
