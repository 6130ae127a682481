"""Jobs that wait until the history has told their last start. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional

from quick_jobs.history.messages import LastStart
from quick_jobs.registration import RegisteredJob

# Seconds that they wait for the database to answer.
_PATIENCE = 60.0


class Resumption:
    """The jobs that resume, from ``now`` until the history has answered, or a minute later."""

    def __init__(self, jobs: Iterable[RegisteredJob], now: float) -> None:
        self.jobs = list(jobs)
        self._deadline = now + _PATIENCE

    def next_check(self) -> Optional[float]:
        """Return when to call :meth:`overdue` next."""
        return self._deadline if self.jobs else None

    def take(
        self, last_starts: Mapping[str, LastStart]
    ) -> Dict[RegisteredJob, Optional[LastStart]]:
        """Remove and return all, each with its last start."""
        jobs, self.jobs = self.jobs, []
        return {job: last_starts.get(job.name) for job in jobs}

    def overdue(self, now: float) -> List[RegisteredJob]:
        """Remove and return all if they have waited too long."""
        if not self.jobs or now < self._deadline:
            return []
        jobs, self.jobs = self.jobs, []
        return jobs
