from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.site import ROOT, Process

PRELUDE = """
import atexit, os, sys, threading, time
from quick_jobs import process_exit

never, soon = threading.Event(), threading.Event()
atexit.register(lambda: print("at exit"))


def thread(target, daemon):
    threading.Thread(target=target, daemon=daemon).start()
"""


def script(body):
    return [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(body)]


def run(body):
    """Run a script in a process of its own; return its status, its output and its seconds."""
    before = time.monotonic()
    environment = {**os.environ}
    environment.pop("PYTHONUNBUFFERED", None)
    completed = subprocess.run(
        script(body),
        cwd=str(ROOT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
    )
    return completed.returncode, completed.stdout, time.monotonic() - before


def test_with_no_threads_left_the_process_ends_as_usual():
    status, output, _ = run(
        """
        process_exit.leave(7, patience=60)
        print("went on")
        sys.exit(3)
        """
    )
    assert (status, output) == (3, "went on\nat exit\n")


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_that_is_left_does_not_hold_up_the_end(status, daemon):
    """And what was registered for the end is done, and what was written is seen."""
    result, output, seconds = run(
        f"""
        print("before", end=" ")
        thread(never.wait, daemon={daemon})
        process_exit.leave({status}, patience=0.1)
        print("went on")
        """
    )
    assert (result, output) == (status, "before at exit\n")
    assert seconds < 30


def test_threads_that_are_no_daemons_may_end_first():
    status, output, seconds = run(
        """
        def work():
            soon.wait()
            print("done")

        thread(work, daemon=False)
        threading.Timer(0.2, soon.set).start()
        process_exit.leave(7, patience=60)
        print("went on")
        """
    )
    assert (status, output) == (0, "done\nwent on\nat exit\n")
    assert seconds < 30


def test_the_patience_is_for_all_threads_together():
    _, output, _ = run(
        """
        for _ in range(20):
            thread(never.wait, daemon=False)
        before = time.monotonic()
        atexit.register(lambda: print(0.5 <= time.monotonic() - before < 2))
        process_exit.leave(7, patience=0.5)
        """
    )
    assert output == "True\nat exit\n"


def test_daemons_are_not_waited_for():
    status, _, seconds = run(
        """
        thread(never.wait, daemon=True)
        process_exit.leave(7, patience=50)
        """
    )
    assert status == 7
    assert seconds < 30


def test_what_hangs_at_exit_is_cut_off():
    status, _, seconds = run(
        """
        atexit.register(never.wait)
        thread(never.wait, daemon=True)
        process_exit._AT_EXIT = 0.2
        process_exit.leave(7, patience=0)
        """
    )
    assert status == 7
    assert seconds < 30


@pytest.mark.parametrize(
    "breakage",
    [
        "sys.stdout.close()",
        "sys.stdout = None",
        "sys.stdout.detach()",
        "os.close(1); os.open('/dev/full', os.O_WRONLY); print('lost')",
    ],
)
def test_a_broken_output_does_not_change_the_status(breakage):
    status, output, _ = run(
        f"""
        atexit._clear()
        sys.stderr.write("seen")
        {breakage}
        thread(never.wait, daemon=True)
        process_exit.leave(7, patience=0)
        """
    )
    assert (status, output) == (7, "seen")


def test_who_interrupts_the_waiting_has_no_more_patience():
    process = Process(
        script(
            """
            class Awaited(threading.Thread):
                def join(self, timeout):
                    print("waits", flush=True)
                    super().join(timeout)

            Awaited(target=never.wait).start()
            process_exit.leave(7, patience=100)
            """
        ),
        ROOT,
        None,
    )
    try:
        process.wait_for_output("waits")
        process.send(signal.SIGINT)
        assert process.wait() == 7
        assert process.output == "waits\nat exit\n"
    finally:
        process.kill()


@pytest.mark.parametrize("is_alone", [True, False])
def test_without_another_thread_to_watch_over_it_the_process_ends_too(is_alone):
    status, output, seconds = run(
        f"""
        def refuse(thread):
            raise RuntimeError("can't start new thread")

        if not {is_alone}:
            thread(never.wait, daemon=True)
            atexit.register(never.wait)
        threading.Thread.start = refuse
        process_exit.leave(7, patience=0.1)
        sys.exit(7)
        """
    )
    assert status == 7
    assert ("at exit" in output) is is_alone
    assert seconds < 30


@pytest.mark.parametrize("is_alone", [True, False])
def test_what_was_printed_to_a_reader_that_has_gone_does_not_change_the_status(is_alone):
    status, output, _ = run(
        f"""
        inward, outward = os.pipe()
        os.close(inward)
        os.dup2(outward, 1)
        print("to nobody", end="")
        if not {is_alone}:
            thread(never.wait, daemon=True)
        process_exit.leave(0, patience=0.1)
        """
    )
    assert (status, output) == (0, "")


@pytest.mark.parametrize("is_alone", [True, False])
def test_what_was_printed_to_a_reader_that_does_not_read_does_not_hold_up_the_end(is_alone):
    status, _, seconds = run(
        f"""
        inward, outward = os.pipe()
        os.set_blocking(outward, False)
        try:
            while True:
                os.write(outward, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(outward, True)
        os.dup2(outward, 1)
        print("x" * 5000, end="")
        if not {is_alone}:
            thread(never.wait, daemon=True)
        process_exit._AT_EXIT = 0.5
        process_exit.leave(7, patience=0.1)
        """
    )
    assert status == 7
    assert seconds < 30
