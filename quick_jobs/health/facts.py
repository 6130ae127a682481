"""What is known of a site's jobs and runners at one moment. All moments are aware datetimes."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Optional, Sequence

from quick_jobs.next_starts import LastExecution, Plan


class Outcome(NamedTuple):
    """An execution, by its ``state``: an outcome, or lost. ``duration`` is None if not known.

    ``lost_at`` is when the runner of a lost one was last heard of.
    """

    state: str
    started_at: dt.datetime
    duration: Optional[dt.timedelta] = None
    pk: Optional[int] = None
    lost_at: Optional[dt.datetime] = None


class Running(NamedTuple):
    """An execution that runs now in a live runner."""

    started_at: dt.datetime
    pk: Optional[int] = None


class RunnerFacts(NamedTuple):
    """A runner of any ``kind``; ``name`` says where it runs, like "web-1 (4711)"."""

    kind: str
    name: str
    started_at: dt.datetime
    last_heartbeat_at: dt.datetime
    stopped_at: Optional[dt.datetime] = None
    stop_reason: str = ""
    stop_detail: str = ""
    pk: Optional[int] = None

    @property
    def ended_at(self) -> dt.datetime:
        """When it stopped; if it is lost, the time of its last heartbeat."""
        return self.stopped_at or self.last_heartbeat_at


class OnceFacts(NamedTuple):
    """Runs of ``run_jobs --once`` that take a live runner's place, see ``once_runs``."""

    last: RunnerFacts
    patience: dt.timedelta
    is_late: bool


class JobFacts(NamedTuple):
    """A job. ``is_registered``: the code of this process has it; False if that is not known.

    ``runner_began_at`` is when the newest live runner that has the job began, and ``runners``
    are the live ones of kind ``runner`` that have it. ``running`` are the executions that run in
    live runners, the oldest first. ``telling`` is the newest execution that shows whether the job
    works. ``recent`` are its newest executions, the newest first; it may be empty for a job that
    neither fails nor runs. A job that no runner ever had has no ``pk``.
    """

    name: str
    plan: Optional[Plan]
    timeout: Optional[dt.timedelta] = None
    pk: Optional[int] = None
    is_registered: bool = False
    is_gone: bool = False
    registered_at: Optional[dt.datetime] = None
    runner_began_at: Optional[dt.datetime] = None
    runners: int = 0
    last: Optional[LastExecution] = None
    running: Sequence[Running] = ()
    telling: Optional[Outcome] = None
    recent: Sequence[Outcome] = ()


class SiteFacts(NamedTuple):
    """The runners of a site.

    ``alive`` are the live ones without runs by hand, the newest first; ``last`` is the newest of
    all; ``once`` is None if a runner is alive, or if the site does not use a timer.
    ``ended_with_error`` are those of kind ``runner`` that did so recently, the newest first.
    ``shared_jobs`` is how many jobs several live runners have, ``sharing`` the most with one job.
    """

    now: dt.datetime
    lost_after: dt.timedelta
    alive: Sequence[RunnerFacts] = ()
    last: Optional[RunnerFacts] = None
    once: Optional[OnceFacts] = None
    ended_with_error: Sequence[RunnerFacts] = ()
    shared_jobs: int = 0
    sharing: int = 0
    has_jobs: bool = True

    @property
    def is_down(self) -> bool:
        """Whether the jobs are not run: no runner is alive, and no run on a timer came in time."""
        return not self.alive and self.has_jobs and not self.is_on_timer

    @property
    def is_on_timer(self) -> bool:
        """Whether runs of ``run_jobs --once`` come as usual."""
        return self.once is not None and not self.once.is_late
