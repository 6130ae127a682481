"""Signals that stop a process, in a process of its own."""

from __future__ import annotations

import signal
import sys
import textwrap

import pytest

from tests.site import ROOT, Process

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT]

PRELUDE = """
import os, signal, sys, threading, time
from quick_jobs.stop_signals import stop_on_signals

requests = []


def request_stop(name):
    requests.append(name)
    os.write(1, f"asked to stop: {name}\\n".encode())  # print() must not interrupt itself


def wait_until(condition):
    while not condition():
        time.sleep(0.01)
"""


@pytest.fixture
def run():
    """Start a script in a process of its own."""
    processes = []

    def start(body):
        command = [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(body)]
        processes.append(Process(command, ROOT, None))
        return processes[-1]

    yield start
    for each in processes:
        each.kill()


def test_a_third_signal_ends_the_process_at_once(run):
    process = run(
        """
        with stop_on_signals(request_stop):
            print("ready", flush=True)
            wait_until(lambda: False)
        """
    )
    process.wait_for_output("ready")
    for name in ("SIGTERM", "SIGINT"):
        process.send(getattr(signal, name))
        process.wait_for_output(f"asked to stop: {name}")
    assert process.is_running
    process.send(signal.SIGQUIT)
    assert process.wait() == 1
    assert process.output.count("asked to stop") == 2


@pytest.mark.parametrize("number", SIGNALS)
def test_a_child_that_a_job_forked_is_ended_by_a_signal_as_usual(run, number):
    """And does not ask its copy of the runner to stop."""
    process = run(
        f"""
        with stop_on_signals(request_stop):
            inward, outward = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(outward, b".")  # Python has made it ready for signals
                wait_until(lambda: False)
            os.read(inward, 1)
            os.kill(child, {int(number)})
            _, status = os.waitpid(child, 0)
            print("ended by", os.WTERMSIG(status), os.WIFSIGNALED(status), flush=True)
            os.kill(os.getpid(), {int(number)})
            wait_until(lambda: requests)
        """
    )
    assert process.wait() == 0
    assert process.output == f"ended by {int(number)} True\nasked to stop: {number.name}\n"
