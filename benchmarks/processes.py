"""What processes take of the machine, seen from outside through ``/proc``."""

import os
import signal
import subprocess
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Processes:
    """Commands that were started together, with all that they start themselves."""

    def __init__(self, commands, directory, environment):
        self.log = Path(directory, "log.txt")
        self.began = time.monotonic()
        with open(str(self.log), "wb") as log:
            self._popens = [
                subprocess.Popen(
                    command,
                    cwd=str(directory),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for command in commands
            ]
        self._sessions = {popen.pid for popen in self._popens}

    def pids(self):
        """Return the numbers of all that live."""
        return [pid for pid in _all_pids() if _session_of(pid) in self._sessions]

    def check(self):
        """Raise RuntimeError if one has ended."""
        if any(popen.poll() is not None for popen in self._popens):
            raise RuntimeError(f"a process has ended:\n{self.log.read_text()[-2000:]}")

    def stop(self, patience=30):
        """Ask them to end, and wait; return their exit statuses."""
        for popen in self._popens:
            popen.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        try:
            return [popen.wait(max(0.1, deadline - time.monotonic())) for popen in self._popens]
        finally:
            self.kill()

    def kill(self):
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        for popen in self._popens:
            popen.wait()


def cpu_seconds(pids):
    """Return the processor time of processes and of the children that they have waited for."""
    return sum(sum(map(int, stat[11:15])) for stat in map(_stat, pids) if stat) / _TICK


def exact_cpu_seconds(pids):
    """Return the processor time of all threads that live, to the nanosecond."""
    return sum(int(text.split()[0]) for text in _of_threads(pids, "schedstat")) / 1e9


def wake_ups(pids):
    """Return how often threads that live have waited for something."""
    return sum(
        int(line.split()[1])
        for text in _of_threads(pids, "status")
        for line in text.splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def resident_bytes(pids):
    return sum(int(stat[21]) * _PAGE for stat in map(_stat, pids) if stat)


def threads(pids):
    return sum(int(stat[17]) for stat in map(_stat, pids) if stat)


def family(pid):
    """Return a process and its children."""
    children = [each for each in _all_pids() if (_stat(each) or [None, None])[1] == str(pid)]
    return [pid, *children]


def parent(pid):
    return int(_stat(pid)[1])


def open_files(pids, path):
    """Return how often a file is open."""
    count = 0
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                count += os.readlink(str(link)) == str(path)
            except OSError:
                continue  # closed meanwhile
    return count


def _all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid):
    """Return the fields of ``/proc/PID/stat`` from the state on, or None if it has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _session_of(pid):
    stat = _stat(pid)
    return int(stat[3]) if stat and stat[0] != "Z" else None


def _of_threads(pids, name):
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob(f"*/{name}"):
            try:
                yield path.read_text()
            except OSError:
                continue  # it has ended meanwhile
