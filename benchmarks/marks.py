"""The marks that jobs leave behind each time they run, and what they say of their punctuality."""

import struct
from collections import defaultdict
from itertools import accumulate
from statistics import median
from typing import NamedTuple

#: What a job calls on its first line: 16 bytes in one write.
CODE = """
import os, struct, time
_pack, _monotonic, _write = struct.Struct("<qd").pack, time.monotonic, os.write
_file = os.open(os.environ["BENCHMARK_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def mark(job):
    _write(_file, _pack(job, _monotonic()))
"""

_MARK = struct.Struct("<qd")
SIZE = _MARK.size


class Mark(NamedTuple):
    """Which job has run, and when, in seconds of the machine's monotonic clock."""

    job: int
    at: float


class Punctuality(NamedTuple):
    """How jobs kept to a steady interval; all in seconds.

    ``lateness`` is the 99th percentile of starts against a grid of the job's own, which goes
    through the earliest of its starts. ``drift`` is by how much a period is longer than the
    interval, by the earliest start in each half of the time, which nothing has delayed much; the
    median of all jobs.
    """

    lateness: float
    drift: float


def starts(path, begin=0.0, end=float("inf")):
    """Return the marks in a file that were made in a time."""
    return [mark for mark in _read(path, begin, end) if mark.job > 0]


def ends(path, begin=0.0, end=float("inf")):
    """Return the marks of ends, which jobs make with their number below zero."""
    return [Mark(-mark.job, mark.at) for mark in _read(path, begin, end) if mark.job < 0]


def _read(path, begin, end):
    data = path.read_bytes() if path.exists() else b""
    marks = (Mark(*each) for each in _MARK.iter_unpack(data[: len(data) // SIZE * SIZE]))
    return [mark for mark in marks if begin <= mark.at < end]


def most_at_once(starts, ends):
    """Return how many executions there were at the same time."""
    changes = [(mark.at, 1) for mark in starts] + [(mark.at, -1) for mark in ends]
    return max(accumulate(change for _, change in sorted(changes)))


def punctuality(marks, interval):
    """Return how jobs that are due every ``interval`` seconds kept to it, if they did at all."""
    by_job = defaultdict(list)
    for mark in marks:
        by_job[mark.job].append(mark.at)
    lateness, drifts = [], []
    for starts in by_job.values():
        starts.sort()
        rounds = [round((start - starts[0]) / interval) for start in starts]
        offsets = [start - starts[0] - interval * number for start, number in zip(starts, rounds)]
        lateness += [offset - min(offsets) for offset in offsets]
        half = len(starts) // 2
        if half and rounds[half]:
            drifts.append((min(offsets[half:]) - min(offsets[:half])) / rounds[half])
    if not drifts:
        return None
    return Punctuality(percentile(lateness, 0.99), median(drifts))


def percentile(values, share):
    """Return the value that a share of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
