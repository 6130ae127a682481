"""The only writer of the history: the recorder, and what it writes, keeps and prunes."""

from quick_jobs.history.base import History, NoHistory, StopInfo
from quick_jobs.history.recorder import Recorder

__all__ = ["History", "NoHistory", "Recorder", "StopInfo"]
