"""Django projects whose commands a test runs as real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MANAGE = """
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
    if sys.stdout and os.environ.get("PYTHONUNBUFFERED"):  # but whole lines
        sys.stdout.reconfigure(line_buffering=True, write_through=False)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""

#: What Django itself does on import: distutils in 3.2 on Python 3.10, cgi in 4.1 on Python 3.11.
WARNINGS = (
    "error",
    "ignore:The distutils package is deprecated:DeprecationWarning",
    "ignore:'cgi' is deprecated:DeprecationWarning",
)


#: Leaves out the admin, whose import takes a fifth of a process's start.
WITHOUT_ADMIN = """
from tests.settings import *

_OF_ADMIN = [
    "django.contrib.admin",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_admin_listfilter_dropdown",
]
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in _OF_ADMIN]
MIDDLEWARE = TEMPLATES = []
ROOT_URLCONF = None
"""

WITH_ADMIN = """
from tests.settings import MIDDLEWARE, ROOT_URLCONF, TEMPLATES

INSTALLED_APPS = [*_OF_ADMIN, *INSTALLED_APPS]
"""


def wait_until(condition, timeout=20):
    """Return the first true result of ``condition()``; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition}"
        time.sleep(0.02)


class Project:
    """A Django project in ``path``, whose ``manage.py`` runs in real processes.

    They have ``variables`` in their environment, besides those of the tests' process.
    """

    def __init__(self, path, **environment):
        self.path = path
        self.outputs = []
        self.variables = environment
        self._processes = []

    def run(self, *args, timeout=60, env=None):
        """Run ``manage.py`` to its end; return its ``CompletedProcess`` with stdout and stderr."""
        completed = subprocess.run(
            self.command(*args),
            cwd=str(self.path),
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
        )
        self.outputs.append(completed.stdout + completed.stderr)
        return completed

    def start(self, *args, env=None):
        """Start ``manage.py`` and return its :class:`Process`."""
        process = Process(self.command(*args), self.path, self.environment(env))
        self._processes.append(process)
        return process

    def end(self):
        """Kill what still runs, and see that no process hid a warning where it cannot be raised."""
        for process in self._processes:
            process.kill()
            self.outputs.append(process.output)
        for output in self.outputs:
            assert "Exception ignored" not in output, output

    def command(self, *args):
        """Return what runs ``manage.py``."""
        return [sys.executable, "manage.py", *map(str, args)]

    def environment(self, more=None):
        """Return the environment of its processes."""
        inherited = {**os.environ}
        inherited.pop("DJANGO_SETTINGS_MODULE", None)  # the tests' own
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": ",".join(WARNINGS),
            "PYTHONDONTWRITEBYTECODE": "1",  # a file rewritten within a second looks unchanged
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            **self.variables,
            **(more or {}),
        }


class Site(Project):
    """A new project in ``path`` with the app ``shop``, on the test database ``database_name``.

    It has the admin if :meth:`add_admin` is called.
    """

    def __init__(self, path, database_name):
        super().__init__(path, QUICK_JOBS_TEST_DB_NAME=str(database_name))
        self.write("manage.py", MANAGE)
        self.settings(WITHOUT_ADMIN)
        self.app("shop")

    def write(self, name, text):
        """Write a file of the project, without the indentation that ``text`` has in a test."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def app(self, name):
        """Add an empty app."""
        self.write(f"{name}/__init__.py", "")
        self.settings(f"INSTALLED_APPS = [*INSTALLED_APPS, {name!r}]")

    def add_admin(self):
        """Add the admin, with all that it needs."""
        self.settings(WITH_ADMIN)

    def settings(self, text):
        """Append to the project's settings."""
        with (self.path / "site_settings.py").open("a", encoding="utf-8") as file:
            file.write(textwrap.dedent(text) + "\n")


class Process:
    """A process that is running; stdout and stderr are one ``output``."""

    def __init__(self, command, path, env):
        self._popen = subprocess.Popen(
            command,
            cwd=str(path),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._lines = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self):
        """What it has written so far."""
        return "".join(self._lines)

    @property
    def is_running(self):
        return self._popen.poll() is None

    def wait_for_output(self, text, timeout=20):
        """Wait until ``text`` is in the output, and return the output."""
        with self._news:
            self._news.wait_for(lambda: text in self.output or self._ended, timeout)
        assert text in self.output, f"no {text!r} in:\n{self.output}"
        return self.output

    def send(self, signum):
        """Send it a signal."""
        self._popen.send_signal(signum)

    def wait(self, timeout=20):
        """Wait for its end, and return its exit status."""
        try:
            returncode = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.output}") from None
        self._reader.join(timeout)
        return returncode

    def kill(self):
        """End it with all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        self._popen.stdout.close()

    def _read(self):
        for line in self._popen.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
