"""Writes a batch of records as a whole or, where the database refuses that, one by one.

A database refuses a record for what is in it, or for its size. Of such a
record as much is written as the database takes; the rest goes to the log.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from django.db import IntegrityError

from quick_jobs.history.backlog import Backlog
from quick_jobs.history.record import Record
from quick_jobs.history.storage import Storage
from quick_jobs.history.texts import one_line
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Starts and ends in one transaction: enough to make its cost small for each of them, and few
# enough that a job waits no more than milliseconds for the others in its batch.
_BATCH = 250

# Tries of a batch by a database that answers otherwise, before one by one; then of a long record,
# before it is cut. A server that is sent too much may just close the connection, as it does for
# many other reasons.
_TRIES = 3


class BatchRefused(Exception):
    """A batch is refused for what is in it; ``error`` is what the database says."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class BatchWriter:
    """Takes batches from ``backlog`` and writes them to ``storage``.

    A batch that failed and was put back is the next one again: how often it failed counts.
    """

    def __init__(self, storage: Storage, backlog: Backlog) -> None:
        self._storage = storage
        self._backlog = backlog
        #: Why the last record was refused altogether, or None. What refuses all of them is no
        #: record's fault.
        self.refusal: Optional[Exception] = None
        self._is_one_by_one = False
        self._failures = 0

    def write_next(self) -> Sequence[Record]:
        """Write the batch that is next, and return it; it is empty if nothing waits.

        What the database refuses of a single record is logged. Raises :exc:`BatchRefused` if the
        batch is to be written one by one, and else what the database raises: the batch is still
        in the backlog then, to be put back.
        """
        batch = self._backlog.take(_BATCH)
        if not batch:
            return batch
        if self._is_one_by_one:
            for record in batch:
                self._write_alone(record)
        else:
            self._write_together(batch)
            self.refusal = None
        self._backlog.confirm()
        self._is_one_by_one = False
        self._failures = 0
        return batch

    def go_one_by_one(self, error: Exception) -> None:
        """Put back the batch that was refused with ``error``; each record is written by itself."""
        logger.debug("a batch is refused; writing its records one by one", exc_info=error)
        self._backlog.put_back()
        self._is_one_by_one = True
        if isinstance(error, IntegrityError):
            self._storage.forget_registration()  # in case the rows referred to have gone
        self._storage.reset()

    def _write_together(self, batch: List[Record]) -> None:
        """Write a batch as a whole, or find that it is refused for what is in it."""
        answers = self._failures >= _TRIES - 1
        if answers:
            self._storage.probe(self._backlog.dropped)
        try:
            self._storage.write(batch)
        except Exception as exc:
            is_of_size = self._storage.may_be_of_size(exc)
            if self._storage.is_about_data(exc) or (answers and is_of_size):
                raise BatchRefused(exc) from exc
            self._failures += is_of_size
            raise

    def _write_alone(self, record: Record) -> None:
        """Write as much of a record as the database takes; what it refuses altogether is logged."""
        error = self._refusal_of(record, record.is_long)
        self.refusal = None
        if error is None:
            return
        for form in record.in_less_and_less():
            if self._refusal_of(form, record.is_long) is None:
                if form.is_cut_from(record):
                    logger.warning(
                        "saved in part, as the database refuses the rest (%s): execution %d of %s",
                        one_line(error),
                        record.number,
                        record.job,
                    )
                return
        self.refusal = error
        logger.error(
            "not saved, as the database refuses it (%s): %s",
            " ".join(str(error).split()),
            record.as_json(),
        )

    def _refusal_of(self, record: Record, may_be_long: bool) -> Optional[Exception]:
        """Write one record; return the error if it is refused, and not for an outage."""
        tries = 0
        is_registered_anew = False
        while True:
            try:
                self._storage.write([record])
                return None
            except Exception as exc:
                is_of_size = may_be_long and self._storage.may_be_of_size(exc)
                is_about_data = self._storage.is_about_data(exc)
                if not is_about_data and not is_of_size:
                    raise
                error = exc
            self._storage.reset()
            if isinstance(error, IntegrityError) and not is_registered_anew:
                self._register_anew()
                is_registered_anew = True
                continue
            if is_about_data:
                return error
            self._storage.probe(self._backlog.dropped)
            tries += 1
            if tries == _TRIES:
                return error

    def _register_anew(self) -> None:
        """Register again, in case the rows of the runner and its jobs have gone."""
        self._storage.forget_registration()
        self._storage.register()
