"""The options of a runner."""

from __future__ import annotations

from typing import NamedTuple, Optional


class RunnerOptions(NamedTuple):
    """A runner's settings and options, in seconds except for the last two."""

    stop_after: Optional[float]
    stop_timeout: float
    start_record_timeout: float
    heartbeat_interval: float
    prunes: bool
    max_traceback: int  # bytes
