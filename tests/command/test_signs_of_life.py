"""``run_jobs`` shows that it lives: to a probe by a file, and to systemd by a socket."""

import os
import signal
import socket

import pytest

from tests.site import wait_until

SHOWS_ITS_ENVIRONMENT = """
    import os
    from quick_jobs import register_job

    @register_job(3600)
    def works(env):
        print(f"for children: {os.environ.get('NOTIFY_SOCKET')}")
"""


def received(notify, prefix):
    """Wait for the message that begins with ``prefix``; return it with those before it."""
    messages = []
    while not messages or not messages[-1].startswith(prefix):
        messages.append(notify.recv(4096).decode())
    return messages


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no such sockets")
@pytest.mark.parametrize("history", [[], ["--no-history"]], ids=["history", "no history"])
def test_a_runner_touches_its_file_and_tells_systemd(site, tmp_path, history):
    site.write("shop/jobs.py", SHOWS_ITS_ENVIRONMENT)
    site.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 0.2")
    alive = tmp_path / "alive"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(30)
        runner = site.start(
            "run_jobs",
            "--alive-file",
            alive,
            *history,
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"},
        )
        assert "READY=1" in received(notify, "STATUS=1 job, ")
        received(notify, "WATCHDOG=1")
        for _ in range(2):
            os.utime(str(alive), (0, 0))
            wait_until(lambda: alive.stat().st_mtime > 0)
        runner.wait_for_output("for children: None")
        runner.send(signal.SIGTERM)
        received(notify, "STOPPING=1")
        assert runner.wait() == 0
    assert not alive.exists()


def test_a_runner_that_cannot_write_its_file_says_so_and_runs_nothing(site, tmp_path):
    site.write("shop/jobs.py", SHOWS_ITS_ENVIRONMENT)
    path = tmp_path / "missing" / "alive"
    completed = site.run("run_jobs", "--no-history", "--alive-file", path)
    assert completed.returncode == 1
    message = f"--alive-file {path} cannot be written: No such file or directory.\n"
    assert completed.stderr == message
    assert completed.stdout == ""
