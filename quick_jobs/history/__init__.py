"""The only writer of the history: the recorder, and what it writes, keeps and prunes."""

from quick_jobs.history.recorder import NoHistory, Recorder

__all__ = ["NoHistory", "Recorder"]
