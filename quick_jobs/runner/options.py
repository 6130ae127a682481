"""How a runner is to behave."""

from __future__ import annotations

from typing import NamedTuple, Optional


class RunnerOptions(NamedTuple):
    """The settings and options that a runner obeys: seconds, but for the last two."""

    stop_after: Optional[float]
    stop_timeout: float
    start_record_timeout: float
    heartbeat_interval: float
    prunes: bool
    max_traceback: int  # bytes
