"""Former place of ``RunEnv``."""

from __future__ import annotations

from quick_jobs.environment import RunEnv, RunInterrupted

__all__ = ["RunEnv", "RunInterrupted"]
