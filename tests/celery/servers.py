"""Brokers of the tests' own, to be stopped and started again: Redis and RabbitMQ.

A program that is not installed is an error, never a skip.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.site import wait_until

START_TIMEOUT = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A server with a port and a data directory of its own."""

    def __init__(self):
        self.port = free_port()
        self.path = Path(tempfile.mkdtemp(prefix="quick_jobs_"))
        self._process = None
        self.start()

    def command(self):
        """Return what runs it in the foreground."""
        raise NotImplementedError

    def environment(self):
        return {**os.environ}

    def start(self):
        """Start it, and wait until it answers."""
        with (self.path / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=str(self.path),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.answers, START_TIMEOUT)

    def answers(self):
        """Return whether somebody listens."""
        assert self._process.poll() is None, (self.path / "output").read_text(errors="replace")
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self):
        """End it in order, so that it keeps what it has."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_TIMEOUT)

    def remove(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(str(self.path), ignore_errors=True)


class Redis(Broker):
    def command(self):
        return ["redis-server", "--port", str(self.port), "--dir", str(self.path)]

    def url(self, database=0):
        return f"redis://127.0.0.1:{self.port}/{database}"


class RabbitMQ(Broker):
    def command(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]  # the other one becomes another user

    def environment(self):
        return {
            **super().environment(),
            "HOME": str(self.path),
            "RABBITMQ_NODENAME": f"quick_jobs_{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.path / "data"),
            "RABBITMQ_LOG_BASE": str(self.path / "log"),
            "RABBITMQ_PID_FILE": str(self.path / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(self.path / "no_environment"),
            "RABBITMQ_CONFIG_FILE": str(self.config()),  # not the one of this machine
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.path / "no_plugins"),
        }

    def config(self):
        path = self.path / "rabbitmq.conf"
        path.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        return path

    def url(self, database=0):
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"
