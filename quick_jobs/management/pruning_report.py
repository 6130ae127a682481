"""The output of ``manage.py prune_job_history``: its progress and its result."""

from __future__ import annotations

import time
from collections import Counter

from django.core.management.base import OutputWrapper
from django.utils import timezone

from quick_jobs.console import printable
from quick_jobs.history.in_use import numbers_in_words
from quick_jobs.history.pruning import Pruning
from quick_jobs.models import Job, JobExecution

# Seconds between two lines of progress: no faster than people can read.
_PROGRESS_INTERVAL = 0.5


class Report:
    """Reports what ``pruning`` does: on a terminal while it works, and at the end."""

    def __init__(self, pruning: Pruning, out: OutputWrapper, dry_run: bool) -> None:
        self._pruning = pruning
        self._out = out
        self._dry_run = dry_run
        self._began = self._shown_at = time.monotonic()
        self._width = 0

    def progress(self) -> None:
        """Show the progress, on a terminal and if some time has passed."""
        now = time.monotonic()
        if now - self._shown_at < _PROGRESS_INTERVAL or not self._out.isatty():
            return
        self._shown_at = now
        rows = sum(self._pruning.counted.values()) + sum(self._pruning.deleted.values())
        line = f"{rows:,} rows {'counted' if self._dry_run else 'deleted'}"
        line += f", {rows / (now - self._began):,.0f}/s"
        reached = self._pruning.reached
        if reached:
            local = timezone.localtime(reached) if timezone.is_aware(reached) else reached
            line += f", at {local:%Y-%m-%d %H:%M}"
        self._out.write("\r" + line.ljust(self._width), ending="")
        self._out.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Clear the line on the terminal for another one."""
        if self._width:
            self._out.write("\r" + " " * self._width + "\r", ending="")
            self._width = 0

    def finish(self, using: str) -> None:
        """Print the counts of a dry run, and the summary."""
        self.clear()
        counted = self._pruning.counted
        if counted:
            names = Job.objects.using(using).order_by("name").values_list("name", "pk")
            width = len(f"{max(counted.values()):,}")
            for name, pk in names.iterator():
                if pk in counted:
                    self._out.write(f"{counted[pk]:{width},}  {printable(name)}")
        self._out.write(self.summary(is_done=True))

    def summary(self, is_done: bool) -> str:
        """Return the result in one line."""
        counted = sum(self._pruning.counted.values())
        what = numbers_in_words(self._pruning.deleted + Counter({JobExecution: counted}))
        stays = self._pruning.in_use.in_words()
        if stays:
            stays = " " + stays
        if self._dry_run:
            return f"{what or 'Nothing'} would be deleted{'' if is_done else ' so far'}.{stays}"
        line = "Nothing to delete." if is_done else "Nothing was deleted."
        if what:
            line = f"Deleted {what} in {time.monotonic() - self._began:.1f} s."
        if self._pruning.passed_over:
            line += " Some old rows are locked or referred to by others, and stay."
        return line + stays
