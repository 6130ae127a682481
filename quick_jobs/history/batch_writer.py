"""Writes a batch of records as a whole or, if the database refuses that, one by one.

A database may refuse a record for its content or its size. Then as much of
the record is written as the database accepts, and the rest is logged.
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

# Starts and ends in one transaction: enough to share its cost, and few enough that a job waits only
# milliseconds for the others in its batch.
_BATCH = 250

# Tries of a batch, while the database answers otherwise, before it is written one by one; and of a
# long record, before it is cut. A server that gets too much may just close the connection, as it
# does for many other reasons.
_TRIES = 3


class BatchRefused(Exception):
    """A batch is refused for its content; ``error`` is the database's."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class BatchWriter:
    """Takes batches from ``backlog`` and writes them to ``storage``.

    A batch that failed and was put back is the next one again. Its failures are counted.
    """

    def __init__(self, storage: Storage, backlog: Backlog) -> None:
        self._storage = storage
        self._backlog = backlog
        #: Why the last record was refused completely, or None. If all records are refused, they are
        #: not the cause.
        self.refusal: Optional[Exception] = None
        self._is_one_by_one = False
        self._failures = 0

    def write_next(self) -> Sequence[Record]:
        """Write the next batch, and return it; it is empty if nothing waits.

        Parts of a single record that the database refuses are logged. Raises :exc:`BatchRefused`
        if the batch has to be written one by one, or other database errors: then the batch is
        still in the backlog, and has to be put back.
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
        """Put back the batch that was refused with ``error``, to be written one by one."""
        logger.debug("a batch is refused; writing its records one by one", exc_info=error)
        self._backlog.put_back()
        self._is_one_by_one = True
        if isinstance(error, IntegrityError):
            self._storage.forget_registration()  # in case the rows that it refers to are gone
        self._storage.reset()

    def _write_together(self, batch: List[Record]) -> None:
        """Write a batch as a whole, or find that it is refused for its content."""
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
        """Write as much of a record as the database accepts; log it if that is nothing."""
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
        """Write one record; return the error if it is refused and that is not an outage."""
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
        """Register again, in case the rows of the runner and its jobs are gone."""
        self._storage.forget_registration()
        self._storage.register()
