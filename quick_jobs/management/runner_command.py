"""The base of the commands that run jobs."""

from __future__ import annotations

import contextlib
import gc
import io
import sys
import traceback
from functools import partial
from typing import Callable, Iterator, List, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand

from quick_jobs.capture import installed
from quick_jobs.console import printable
from quick_jobs.discovery import JobsError
from quick_jobs.logs import say
from quick_jobs.process_exit import leave
from quick_jobs.runner import Runner
from quick_jobs.stop_signals import StopWhenAsked, stop_on_signals
from quick_jobs.threads import NoThread

STOP_TIMEOUT = 5.0


class RunnerCommand(BaseCommand):
    """A command that runs jobs with a :class:`Runner`, or says in a line why it cannot."""

    # The command itself checks the jobs that it runs. So another app's broken jobs.py does not
    # stop them.
    requires_system_checks: List[str] = []

    #: Seconds that threads left behind by jobs get when the process ends.
    patience = STOP_TIMEOUT

    def run_from_argv(self, argv: List[str]) -> None:
        """Run as a process of its own, which ends when the command does."""
        for stream in (sys.stdout, sys.stderr):  # the latter for Python before 3.9
            if isinstance(stream, io.TextIOWrapper):
                # Show the output of jobs at once, even if it goes to a pipe, as in a container.
                stream.reconfigure(line_buffering=True)
        try:
            super().run_from_argv(argv)
        except SystemExit as exc:
            leave(exc.code if isinstance(exc.code, int) else 1, self.patience)
            raise
        except Exception:
            with contextlib.suppress(Exception):  # standard error may be closed
                sys.stderr.write(f"{printable(traceback.format_exc())}\n")
            leave(1, self.patience)
            sys.exit(1)
        else:
            leave(0, self.patience)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """End the command with exit status 1 if jobs or settings are wrong."""
        try:
            yield
        except JobsError as exc:
            self.refuse(*exc.problems)
        except ImproperlyConfigured as exc:
            self.refuse(str(exc))

    def run_until_over(
        self,
        runner: Runner,
        captures: bool,
        announce: Callable[[], None],
        stop_when_asked: StopWhenAsked = stop_on_signals,
    ) -> int:
        """Run ``runner`` until it is told to stop; return its exit status.

        With ``captures``, what each execution logs and prints is captured.
        """
        try:
            # From here on, because a person who sees the list may stop the runner.
            with stop_when_asked(runner.request_stop, runner.wake):
                announce()
                # The objects that exist now stay. Searching them for garbage again and again would
                # stop every thread, for tens of milliseconds on a site of medium size.
                gc.freeze()
                with installed() if captures else contextlib.nullcontext():
                    status = runner.run()
        except NoThread as exc:
            self.refuse(str(exc))
        if runner.refusal:
            self.refuse(runner.refusal)
        return status

    def refuse(self, *messages: str) -> NoReturn:
        """End the command with exit status 1 and these messages."""
        for message in messages:
            lists = message.split("\n  ")  # a list in a message is indented already
            text = "\n  ".join(map(printable, lists))
            say(partial(self.stderr.write, text), text)
        sys.exit(1)
