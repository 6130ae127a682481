"""The results of jobs."""

from __future__ import annotations

from quick_jobs.environment import RunEnv
from quick_jobs.runner.unfinished import refuse_unfinished


def take_result(result: object, env: RunEnv) -> None:
    """Use a text as the note, if the job left none; raise TypeError for code that was not run."""
    refuse_unfinished(result)
    if issubclass(type(result), str) and not env.noted:
        env.note(str.__str__(result))  # its own class may have methods of its own
