"""What it costs that executions keep what they log and print, beside the same without.

    python -m benchmarks.capture [--lines 10000000]

Both are measured in turn, in the same process; each figure is the median of the rounds.
"""

import argparse
import logging
import os
import statistics
import subprocess
import sys
import time
import tracemalloc

import django
from django.conf import settings

from benchmarks.tables import Table

ROUNDS = 41
CALLS = 2000
LINES = 1_000_000


def site_logger():
    """Return a logger with a handler and a format as sites have them, which writes to a pipe."""
    handler = logging.StreamHandler(a_pipe())
    handler.setFormatter(
        logging.Formatter("{levelname} {asctime} {module} {process:d} {message}", style="{")
    )
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return logger


def a_pipe():
    """Return a text stream, flushed at the end of each line, to a process that reads it."""
    reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return open(reader.stdin.fileno(), "w", buffering=1, closefd=False)


def nowhere():
    """Return a text stream into a file, flushed when its buffer is full."""
    return open(os.devnull, "w")


def microseconds(call):
    """Return the time of the processor that ``call`` takes, whatever else the machine does."""
    began = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - began) / CALLS * 1e6


def in_turn(call, in_job=True):
    """Return the microseconds of ``call`` without capturing and with it, each a median."""
    from quick_jobs.capture import Capturing, installed, new_capture

    without, captured = [], []
    for _ in range(ROUNDS):
        without.append(microseconds(call))
        with installed(), Capturing(new_capture() if in_job else None):
            captured.append(microseconds(call))
    return statistics.median(without), statistics.median(captured)


def on(stream, write):
    """Return what :func:`in_turn` returns of ``write``, in a job and outside, with this stdout."""
    terminal, sys.stdout = sys.stdout, stream
    try:
        return in_turn(write), in_turn(write, in_job=False)
    finally:
        sys.stdout = terminal


def peak_memory(lines):
    """Return the most bytes that a capture has while so many lines are logged and printed."""
    from quick_jobs.capture import Capturing, installed, new_capture

    logger = logging.getLogger("quiet")
    terminal, sys.stdout = sys.stdout, nowhere()
    try:
        with installed(), Capturing(new_capture()):
            tracemalloc.start()
            for number in range(lines // 2):
                logger.info("line %d of the log", number)
                print("line", number, "of the output")
            return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        sys.stdout = terminal


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=LINES, help="Lines of the longest log.")
    lines = parser.parse_args().lines
    settings.configure(INSTALLED_APPS=["quick_jobs"])
    django.setup()

    logger, quiet = site_logger(), logging.getLogger("quiet")
    table = Table("", "without, µs", "captured, µs", "times", "more, µs")

    def row(what, figures):
        without, captured = figures
        table.row(
            what,
            f"{without:.2f}",
            f"{captured:.2f}",
            f"{captured / without:.2f}",
            f"{captured - without:.2f}",
        )

    def log():
        logger.info("sent %d of %d", 14, 400)

    row("logger.info, a handler, in a job", in_turn(log))
    row("logger.info, a handler, outside of jobs", in_turn(log, in_job=False))
    row("logger.info that the site drops, in a job", in_turn(lambda: quiet.info("sent %d", 14)))
    for name, stream in (("a file", nowhere()), ("a pipe", a_pipe())):
        in_job, outside = on(stream, lambda: print("sent 14 of 400"))
        row(f"print to {name}, in a job", in_job)
        row(f"print to {name}, outside of jobs", outside)
    for count in (100, lines):
        print(f"at most {peak_memory(count):,} bytes of memory for {count:,} lines")


if __name__ == "__main__":
    main()
