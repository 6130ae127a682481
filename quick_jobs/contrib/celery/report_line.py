"""What children report to their main process: that an execution has begun, and how it ended.

It is a pipe, made before the children are forked. A line is one write that no other mixes with,
so there is no lock; a child never waits for its main process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
from typing import List

from quick_jobs.history.record import Record
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.observer import Observer

# What of a record is reported: all but the CPU time and the words, which the history has.
_FIELDS = 10

# Bytes that a character takes in JSON at most, but for a few.
_ESCAPE = 6


def line_of(record: Record, limit: int) -> bytes:
    """Return a line for ``record``, in at most ``limit`` bytes; the ends of its texts are kept."""
    record = record._replace(traceback=record.traceback[-limit:])
    while True:
        line = json.dumps(record[:_FIELDS]).encode() + b"\n"
        excess = len(line) - limit
        if excess <= 0:
            return line
        characters = max(1, excess // _ESCAPE)
        if record.traceback:
            record = record._replace(traceback=record.traceback[characters:])
        elif record.error:
            record = record._replace(error=record.error[:-characters])
        else:
            return b""  # the job's name is too long: nobody hears of it


class ReportLine:
    """Belongs to the main process, in which it is made, and to the children it forks."""

    def __init__(self) -> None:
        self.descriptor, self._write_end = os.pipe()
        for descriptor in (self.descriptor, self._write_end):
            os.set_blocking(descriptor, False)
        self._rest = b""

    def send(self, record: Record) -> None:
        """Report ``record``, in a child. It is lost if the main process does not listen."""
        with contextlib.suppress(OSError):
            os.write(self._write_end, line_of(record, select.PIPE_BUF))

    def receive(self) -> List[Record]:
        """Return what there is, in the main process, without waiting."""
        found = [self._rest]
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(os.read(self.descriptor, 65536))
        *lines, self._rest = b"".join(found).split(b"\n")
        return [Record(*json.loads(line)) for line in lines]


class Reporting(Observer):
    """Reports what a child begins and ends."""

    def __init__(self, line: ReportLine) -> None:
        self._line = line

    def started(self, execution: Execution) -> None:
        self._line.send(execution.record())

    def ended(self, execution: Execution, record: Record) -> None:
        self._line.send(record)
