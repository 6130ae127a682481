"""What happens to a database and to its runners while :mod:`benchmarks.soak` is at work.

Faults have ``kinds``: names, with functions that do it for some seconds.
"""

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from typing import NamedTuple

from tests.faults import servers
from tests.faults.proxy import Proxy
from tests.site import wait_until

# Seconds between two faults, and for how long one lasts.
_PAUSE = (0.5, 4.0)
_FAULT = (0.5, 5.0)

# Seconds for what takes a while on a busy machine, such as the start of a runner.
_PATIENCE = 60

_NEVER = rb"(?!)"


class Fault(NamedTuple):
    """What was done, and when, in POSIX time."""

    kind: str
    began: float
    ended: float


class ServerFaults:
    """A private server behind a proxy, and what may happen to both."""

    pid_files = {"postgresql": "data/postmaster.pid", "mariadb": "pid"}
    #: What makes it end in order without waiting for its clients.
    stop_signals = {"postgresql": signal.SIGINT, "mariadb": signal.SIGTERM}

    def __init__(self, kind, path, stack):
        self._server = {"postgresql": servers.PostgreSQL, "mariadb": servers.MariaDB}[kind]()
        stack.callback(self._server.remove)
        self._pid_file = self._server.path / self.pid_files[kind]
        self._stop_signal = self.stop_signals[kind]
        self._proxy = Proxy(self._server.port)
        stack.callback(self._proxy.close)
        self.settings = self._server.settings(port=self._proxy.port)
        self.kinds = {
            "sessions terminated": lambda seconds: self._server.end_sessions(),
            "server restarted": self._restart,
            "server frozen": self._freeze,
            "server killed": self._kill,
            "answers lost": self._lose_answers,
            "connections silent": self._silence,
        }

    def _restart(self, seconds):
        os.kill(self._server.main_pid(), self._stop_signal)
        wait_until(lambda: not self._pid_file.exists(), _PATIENCE)
        self._server.stop()
        time.sleep(seconds)
        self._server.start()

    def _freeze(self, seconds):
        self._server.freeze()
        time.sleep(seconds)
        self._server.thaw()

    def _kill(self, seconds):
        for pid in servers.family(self._server.main_pid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # It left files that say that it runs. Its process may be there until somebody waits for it.
        for path in [self._pid_file, *self._server.path.glob(".s.PGSQL*")]:
            with suppress(FileNotFoundError):
                path.unlink()
        self._server.stop()
        time.sleep(seconds)
        self._server.start()

    def _lose_answers(self, seconds):
        self._proxy.lose_answers(rb"INSERT INTO|UPDATE|COMMIT")
        time.sleep(seconds)
        self._proxy.lose_answers(_NEVER)

    def _silence(self, seconds):
        self._proxy.silence()
        time.sleep(4)  # until they are given up


class FileFaults:
    """An SQLite file, and what others may do to it and to its disk."""

    def __init__(self, kind, path, stack):
        self._disk = path / "disk"
        self._disk.mkdir()
        self._path = self._disk / "database"
        self.settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self._path)}
        self.kinds = {
            "file locked": lambda seconds: self._hold("BEGIN EXCLUSIVE", seconds),
            "file locked for writing": lambda seconds: self._hold("BEGIN IMMEDIATE", seconds),
            "read transaction open": self._read,
        }
        if os.getuid() == 0:
            self._mount("size=1g")
            stack.callback(subprocess.run, ["umount", str(self._disk)], check=True)
            self.kinds["disk full"] = self._fill

    def _mount(self, options):
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self._disk)]
        subprocess.run(command, check=True)

    def _hold(self, sql, seconds, *more):
        with closing(sqlite3.connect(str(self._path), 60, isolation_level=None)) as other:
            for each in (sql, *more):
                other.execute(each).fetchall()
            time.sleep(seconds)

    def _read(self, seconds):
        self._hold("BEGIN", seconds, "SELECT count(*) FROM quick_jobs_job")

    def _fill(self, seconds):
        disk = os.statvfs(str(self._disk))
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        self._mount(f"remount,size={used + 500_000}")
        filler = self._disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        time.sleep(seconds)
        filler.unlink()
        self._mount("remount,size=1g")


class Runners:
    """The runners of the shop, and what may happen to them."""

    def __init__(self, shop):
        self._shop = shop
        self._at_work = []
        self.all = []
        self.killed = {}
        self.kinds = {
            "runner SIGTERM": self._terminate,
            "runner SIGKILL": self._kill,
            "runner SIGSTOP": self._freeze,
        }

    def start(self):
        """Start one, and wait until it is at work."""
        runner = self._shop.start("run_jobs")
        self.all.append(runner)
        proof = f" {runner.pid} ".encode()
        witness = self._shop.path / "witness.txt"
        wait_until(lambda: witness.exists() and proof in witness.read_bytes(), _PATIENCE)
        self._at_work.append(runner)

    def stop(self):
        for _ in range(len(self._at_work)):
            self._end(signal.SIGTERM, 0)

    def _terminate(self, seconds):
        self.start()
        self._end(signal.SIGTERM, 0)

    def _kill(self, seconds):
        self.killed[self._at_work[0].pid] = time.time()
        self._end(signal.SIGKILL, -signal.SIGKILL)
        self.start()

    def _freeze(self, seconds):
        self._at_work[-1].send(signal.SIGSTOP)
        time.sleep(seconds)
        self._at_work[-1].send(signal.SIGCONT)

    def _end(self, signum, status):
        runner = self._at_work.pop(0)
        runner.send(signum)
        assert runner.wait(_PATIENCE) == status, runner.output


def inject(kinds, rng, end, faults):
    """Do what ``kinds`` name to functions that take seconds, until ``end``; add to ``faults``."""
    deck = []
    while True:
        time.sleep(rng.uniform(*_PAUSE))
        deck = deck or rng.sample(sorted(kinds), len(kinds))
        if time.time() >= end:
            return
        kind, began = deck.pop(), time.time()
        kinds[kind](rng.uniform(*_FAULT))
        faults.append(Fault(kind, began, time.time()))
