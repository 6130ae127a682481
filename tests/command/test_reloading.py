"""``run_jobs --reload``, by real processes whose code is edited."""

from __future__ import annotations

import os
import signal

import pytest

from tests.site import wait_until

# Its line is written in one piece, so that no line of the runner's log gets into it.
JOB = r"""
import os
from quick_jobs import register_job

@register_job(0.05)
def work(env):
    if not env.is_stopping:
        print(f"{text} in {{os.getpid()}}\n", end="")
        env.sleep(0.05)
"""

# It ends by itself when asked to stop; what it says then shows that the stop was a clean one.
LONG_JOB = r"""
import os
from quick_jobs import RunInterrupted, register_job

@register_job(1)
def work(env):
    print(f"began in {os.getpid()}\n", end="")
    try:
        env.sleep(3600)
    except RunInterrupted:
        print("told to stop", flush=True)
        raise
"""


@pytest.fixture
def edit(site):
    """Write ``shop/jobs.py``, the whole of it at once."""

    def write(text):
        site.write("shop/new_jobs.txt", text)
        os.replace(site.path / "shop" / "new_jobs.txt", site.path / "shop" / "jobs.py")

    return write


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of_child(process, text):
    """Wait for ``text``, and return the number after it."""
    output = process.wait_for_output(f"{text} in ", timeout=60)
    return int(output.rpartition(f"{text} in ")[2].split()[0])


def assert_stops_cleanly(process):
    assert process.wait() == 0
    assert "told to stop" in process.output
    assert "again: stopping at once" not in process.output


def test_changed_code_runs_and_a_syntax_error_waits_for_its_repair(site, edit):
    edit(JOB.format(text="first"))
    process = site.start("run_jobs", "--reload", "--no-history")
    first = pid_of_child(process, "first")
    edit(JOB.format(text="second"))
    second = pid_of_child(process, "second")
    assert second != first
    edit("def work(:")
    process.wait_for_output("The runner has ended with exit status 1.")
    assert "SyntaxError" in process.output
    edit(LONG_JOB)
    third = pid_of_child(process, "began")
    process.send(signal.SIGTERM)
    assert_stops_cleanly(process)
    assert not any(map(exists, (first, second, third)))
    assert "change of " + str(site.path / "shop" / "jobs.py") in process.output


def test_ctrl_c_stops_all_processes_cleanly(site, edit):
    """A terminal sends it to all of them, and the child does not take it for two."""
    edit(LONG_JOB)
    process = site.start("run_jobs", "--reload", "--no-history")
    child = pid_of_child(process, "began")
    os.killpg(process.pid, signal.SIGINT)
    assert_stops_cleanly(process)
    assert not exists(child)


def test_a_second_signal_ends_all_processes_at_once(site, edit):
    edit(
        """
        import os, time
        from quick_jobs import register_job

        @register_job(1)
        def work(env):
            print(f"began in {os.getpid()}\\n", end="")
            while not env.is_stopping:
                time.sleep(0.01)
            print("stops")
            time.sleep(3600)
        """
    )
    process = site.start("run_jobs", "--reload", "--no-history", "--stop-timeout", "3600")
    child = pid_of_child(process, "began")
    process.send(signal.SIGTERM)
    process.wait_for_output("stops")
    process.send(signal.SIGINT)
    assert process.wait() == 1
    assert not exists(child)


def test_a_child_stops_when_its_parent_was_killed(site, edit):
    edit(LONG_JOB)
    process = site.start("run_jobs", "--reload", "--no-history")
    child = pid_of_child(process, "began")
    process.send(signal.SIGKILL)
    process.wait_for_output("told to stop")
    wait_until(lambda: not exists(child))


def test_a_runner_that_ends_by_itself_ends_its_parent(site, edit):
    edit(
        """
        from quick_jobs import register_job

        @register_job(3600)
        def work(env):
            env.request_stop()
        """
    )
    assert site.run("run_jobs", "--reload", "--no-history").returncode == 0


def test_a_signal_ends_the_wait_for_a_repair(site, edit):
    edit("def work(:")
    process = site.start("run_jobs", "--reload")
    process.wait_for_output("It starts again when a file")
    process.send(signal.SIGTERM)
    assert process.wait() == 0
